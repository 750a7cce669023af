// A plan: how ready it is and why, the order of its VMs, its drills, its history.
import { type Json, path } from "../api";
import { count, duration, span, words } from "../format";
import { PlanPicture } from "../graph";
import { Facts, LongTable, Loading, Notice, ProblemNotice, Section, State, Time } from "../parts";
import { usePoll } from "../polling";
import { link } from "../router";
import { Obstacles } from "../runs";
import { DrillState, NextDrill, targetText } from "./now";
import { History } from "./runs";

const EVERY = 30_000;
const VERBS: Record<string, [string, string]> = {
  drill: ["Drill", "drill"],
  "planned-failover": ["Planned failover", "failover?type=planned"],
  "unplanned-failover": ["Unplanned failover", "failover?type=unplanned"],
  commit: ["Commit", "commit"],
  cancel: ["Cancel", "cancel"],
  "change-point": ["Change the recovery point", "change-point"],
  failback: ["Failback", "failback"],
  reprotect: ["Re-protect", "reprotect"],
  "planned-roundtrip": ["Round trip, planned", "roundtrip?type=planned"],
  "unplanned-roundtrip": ["Round trip, unplanned", "roundtrip?type=unplanned"],
};

export function PlanScreen({ name }: { name: string }) {
  const plan = usePoll(path("plans", name), EVERY);
  const readiness = usePoll(path("plans", name, "readiness"), EVERY);
  const ready = readiness.data;
  if (!plan.data) return <Missing name={name} polled={plan} />;
  const states = new Map<string, Json>((ready?.items ?? []).map((item: Json) => [item.vm.toLowerCase(), item]));
  return (
    <>
      <h1>{name}</h1>
      <ProblemNotice problem={plan.problem ?? readiness.problem} />
      {!ready && readiness.isLoading && <Loading what="the plan's VMs from Azure" />}
      {ready && <Headline ready={ready} name={name} />}
      <div class="grid">
        <Section title="Order" wide>
          <PlanPicture items={plan.data.items} states={states} />
        </Section>
        {ready && <Verbs ready={ready} name={name} />}
        <div class="stack">
          <Calendar plan={plan.data} drill={ready?.lastDrill} />
          <Changes history={plan.data.history ?? []} />
        </div>
        {ready && <Vms items={ready.items} />}
        <History query={`&plan=${encodeURIComponent(name)}`} title="Runs" />
      </div>
    </>
  );
}

function Missing({ name, polled }: { name: string; polled: ReturnType<typeof usePoll> }) {
  return (
    <>
      <h1>{name}</h1>
      {polled.isLoading ? <Loading what="the plan" /> : <ProblemNotice problem={polled.problem} />}
    </>
  );
}

function Headline({ ready, name }: { ready: Json; name: string }) {
  return (
    <div class="headline">
      <State word={ready.state} />
      {ready.reason && <p>{ready.reason}</p>}
      {ready.holds.map((hold: Json) => (
        <Notice tone="warn" title={`On hold by ${hold.by}`}>
          <p>{hold.reason}</p>
        </Notice>
      ))}
      {ready.nextSteps.length > 0 && <NextSteps steps={ready.nextSteps} name={name} />}
    </div>
  );
}

export function NextSteps({ steps, name }: { steps: Json[]; name: string }) {
  const startable = ["commit", "failback", "reprotect"];
  return (
    <Notice tone="idle" title="Until all VMs are protected again">
      <ol>
        {steps.map((step) => (
          <li>
            {startable.includes(step.verb) ? <a href={`${link("plan", name, "start", step.verb)}?${vmsQuery(step.vms)}`}>{words(step.verb)}</a> : words(step.verb)}
            {step.vms.length > 0 && ` (${count(step.vms.length, "VM")})`}: {step.why}
          </li>
        ))}
      </ol>
    </Notice>
  );
}

/** The VMs of a step in an address; of many the preview finds them by itself. */
export const vmsQuery = (vms: string[]): string => (vms.length > 0 && vms.length <= 50 ? `vms=${vms.map(encodeURIComponent).join(",")}` : "");

function Verbs({ ready, name }: { ready: Json; name: string }) {
  const all = Object.entries(VERBS).filter(([verb]) => ready.verbs[verb]);
  const applying = all.filter(([verb]) => ready.verbs[verb].applies);
  const others = all.filter(([verb]) => !ready.verbs[verb].applies);
  return (
    <Section title="What can be done">
      <ul class="rows">
        {applying.map(([verb, [title, target]]) => (
          <li key={verb} class="stacked">
            <div class="row-main">
              <a href={`#/plan/${encodeURIComponent(name)}/start/${target}`}>{title}</a>
              <Verdict one={ready.verbs[verb]} />
            </div>
            <Obstacles title="In the way" tone="bad" rows={ready.verbs[verb].blockers} />
            <Obstacles title="Needs a reason to override" tone="warn" rows={ready.verbs[verb].concerns} />
            <Obstacles title="Worth knowing" tone="idle" rows={ready.verbs[verb].warnings} />
          </li>
        ))}
      </ul>
      {others.length > 0 && (
        <details>
          <summary>Makes no sense now: {others.map(([, [title]]) => title.toLowerCase()).join(", ")}</summary>
          <ul class="plain">
            {others.map(([verb, [title]]) => (
              <li>
                {title}: <span class="faint">{ready.verbs[verb].blockers[0]?.detail}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </Section>
  );
}

function Verdict({ one }: { one: Json }) {
  if (one.ready) return <State word="ready" />;
  return one.blockers.length > 0 ? <State word="blocked" label="Not possible now" /> : <State word="concerns" label="Not ready" />;
}

function Calendar({ plan, drill: last }: { plan: Json; drill: Json }) {
  const { drill } = plan;
  const blackouts: Json[] = drill?.blackouts ?? [];
  return (
    <Section title="Drills">
      <Facts
        rows={[
          ["Rehearsed", last && <DrillState drill={last} />],
          ["Last good drill", last?.endedAt && <Time at={last.endedAt} />],
          ["Counts until", last?.validUntil && <Time at={last.validUntil} />],
          ["Next drill", <NextDrill next={plan.nextDrill} />],
          ["Schedule", drill?.schedule && <code>{drill.schedule}</code>],
          ["Time zone", drill?.schedule && drill.timeZone],
          ["Follows", drill?.follows ?? ""],
          ["Cleaned up after", duration(drill?.timeToLive)],
          ["Targets", targetText(plan.targets)],
          ["Commit", words(plan.commit)],
          ["If a VM fails", words(plan.onFailure)],
          ["Approvals", plan.approvals ? `${plan.approvals.count}, within ${duration(plan.approvals.expires)}` : "none"],
        ]}
      />
      {blackouts.length > 0 && (
        <>
          <h3>No drill begins by itself</h3>
          <ul class="plain">
            {blackouts.map((one) => (
              <li>
                {one.days ? `${one.days.join(", ")} ${one.since ?? ""} ${one.until ? `to ${one.until}` : ""}` : `${one.begin} to ${one.end}`}
                {one.reason && `: ${one.reason}`}
              </li>
            ))}
          </ul>
        </>
      )}
    </Section>
  );
}

function Vms({ items }: { items: Json[] }) {
  return (
    <Section title={count(items.length, "VM")} wide>
      <LongTable
        label="VMs of the plan"
        rows={items}
        columns={[
          { title: "VM", width: "minmax(8rem, 2fr)", cell: (item) => item.vm },
          { title: "State", width: "minmax(8rem, 2fr)", cell: (item) => words(item.state ?? "") },
          { title: "Health", width: "7rem", cell: (item) => item.replicationHealth && <State word={item.replicationHealth.toLowerCase()} tone={HEALTH[item.replicationHealth] ?? "warn"} /> },
          { title: "RPO", width: "7rem", cell: (item) => (typeof item.replicaAgeSeconds === "number" ? span(item.replicaAgeSeconds) : "not known") },
          { title: "Newest point", width: "minmax(10rem, 1fr)", cell: (item) => <Time at={item.lastRecoveryPoint} /> },
        ]}
      />
    </Section>
  );
}

const HEALTH: Record<string, "good" | "warn" | "bad"> = { Normal: "good", Warning: "warn", Critical: "bad" };

export function Changes({ history }: { history: Json[] }) {
  return (
    <Section title="Changes">
      <ul class="rows">
        {history.slice(0, 10).map((one) => (
          <li key={one.version}>
            <div class="row-main">
              <span>Version {one.version}</span>
              <p class="row-note">{one.changedFields?.join(", ") || "declared"}</p>
            </div>
            <div class="row-side faint">
              <span>
                {one.declaredBy && `by ${one.declaredBy}, `}
                <Time at={one.declaredAt} />
              </span>
            </div>
          </li>
        ))}
      </ul>
    </Section>
  );
}
