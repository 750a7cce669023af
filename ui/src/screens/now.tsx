// Now: what needs somebody, how the sites are, what runs, what is owed, what comes next.
import { appNow, type Json, path } from "../api";
import { count, duration, listed, span, type Tone, words } from "../format";
import { Facts, Loading, Notice, ProblemNotice, Section, Sentence, State, Time } from "../parts";
import { type Polled, usePoll } from "../polling";
import { link } from "../router";
import { RunList } from "../runs";

const SOON = 5_000;
const SELDOM = 30_000;
const MINUTE = 60_000;

export function Now() {
  const sites = usePoll("/api/sites", SELDOM);
  const waiting = usePoll("/api/operations?state=waiting", SOON);
  const running = usePoll("/api/operations?state=running", SOON);
  const pending = usePoll("/api/operations?state=pending", SOON);
  const owed = usePoll("/api/obligations", SELDOM);
  const plans = usePoll("/api/plans", SELDOM);
  return (
    <>
      <h1>Now</h1>
      <ProblemNotice problem={sites.problem ?? waiting.problem ?? owed.problem ?? plans.problem} />
      <div class="columns">
        <div>
          <Waiting polled={waiting} />
          <Section title="Running">
            {running.data ? (
              <RunList runs={[...running.data.value, ...(pending.data?.value ?? [])]} empty="Nothing runs." />
            ) : (
              running.isLoading && <Loading what="runs" />
            )}
          </Section>
          <Owed polled={owed} />
        </div>
        <div>
          <Sites polled={sites} />
          <NextDrills polled={plans} />
        </div>
      </div>
    </>
  );
}

function Waiting({ polled }: { polled: Polled }) {
  const runs = polled.data?.value ?? [];
  return (
    <Section title="Waiting for a person" aside={runs.length > 0 && <State word="waiting" label={count(runs.length, "run")} />}>
      {polled.data ? <RunList runs={runs} empty="Nobody is waited for." /> : polled.isLoading && <Loading what="what waits" />}
      {polled.data?.nextLink && (
        <p>
          <a href={link("runs")}>More runs wait</a>
        </p>
      )}
    </Section>
  );
}

function Sites({ polled }: { polled: Polled }) {
  if (!polled.data) return <Section title="Sites">{polled.isLoading && <Loading what="sites from Azure" />}</Section>;
  return (
    <Section title="Sites">
      {polled.data.value.length === 0 && <p class="faint">No site is declared yet: PUT /api/sites/NAME declares one.</p>}
      <ul class="rows">
        {polled.data.value.map((site: Json) => (
          <Site site={site} key={site.name} />
        ))}
      </ul>
    </Section>
  );
}

export function colourOf(health: Json): { tone: Tone; label: string } {
  const { critical = 0, unprotected = 0 } = health?.vms ?? {};
  if (critical > 0 || unprotected > 0) return { tone: "bad", label: "Red" };
  if (health?.state === "well") return { tone: "good", label: "Green" };
  return { tone: "warn", label: health?.state === "unknown" ? "Not known" : "Amber" };
}

function Site({ site }: { site: Json }) {
  const { tone, label } = colourOf(site.health);
  const vms = site.health.vms ?? {};
  const copies = usePoll(path("sites", site.name, "replication"), MINUTE);
  const behind = (copies.data?.value ?? []).filter((vm: Json) => vm.state === "Protected").map((vm: Json) => vm.behindSeconds).filter((seconds: unknown) => typeof seconds === "number");
  return (
    <li>
      <div class="row-main">
        <a href={link("site", site.name)}>{site.name}</a>
        <State word="" tone={tone} label={label} />
        {site.holds.map((hold: Json) => (
          <State word="" tone="warn" label={`On hold: ${hold.reason}`} />
        ))}
        {site.health.detail && <p class="row-note">{site.health.detail}</p>}
        {site.health.unprotected?.length > 0 && (
          <p class="row-note">Not protected: {listed(site.health.unprotected.map((one: Json) => one.vm), 8)}</p>
        )}
      </div>
      <Facts
        rows={[
          ["Protected", vms.total === undefined ? "" : `${vms.protected} of ${vms.total}`],
          ["Unprotected", vms.unprotected ?? ""],
          ["In Azure", vms.inAzure || ""],
          ["Worst RPO", behind.length ? span(Math.max(...behind)) : copies.problem ? "not known" : copies.data ? "none" : "…"],
          ["Nodes well", site.health.nodes ? `${site.health.nodes.well} of ${site.health.nodes.total}` : ""],
        ]}
      />
    </li>
  );
}

function Owed({ polled }: { polled: Polled }) {
  const owed = polled.data?.value ?? [];
  return (
    <Section title="Owed">
      {polled.data && owed.length === 0 && <p class="faint">Nothing is owed.</p>}
      {!polled.data && polled.isLoading && <Loading what="what is owed" />}
      <OwedList owed={owed} />
    </Section>
  );
}

export function OwedList({ owed }: { owed: Json[] }) {
  return (
    <ul class="rows">
      {owed.map((one) => {
        const left = (Date.parse(one.due) - appNow()) / 1000;
        return (
          <li key={one.id}>
            <div class="row-main">
              <strong>{words(one.kind)}</strong>
              {left < 0 ? <State word="late" /> : <State word="" tone="idle" label={`in ${span(left)}`} />}
              <p class="row-note">
                {listed(one.vms)}
                {one.vms.length > 0 && ": "}
                <Sentence text={one.remedy} />
              </p>
            </div>
            <div class="row-side faint">
              {one.plan && <a href={link("plan", one.plan)}>{one.plan}</a>}
              <span>
                due <Time at={one.due} />
              </span>
            </div>
          </li>
        );
      })}
    </ul>
  );
}

function NextDrills({ polled }: { polled: Polled }) {
  const plans: Json[] = [...(polled.data?.value ?? [])].sort((one, other) => (one.nextDrill?.at ?? "9").localeCompare(other.nextDrill?.at ?? "9"));
  return (
    <Section title="Next drills">
      {polled.data && plans.length === 0 && (
        <Notice tone="idle" title="No plan is declared yet">
          <p>`hcidr plan new` writes one of what is protected.</p>
        </Notice>
      )}
      {!polled.data && polled.isLoading && <Loading what="plans" />}
      <ul class="rows">
        {plans.slice(0, 12).map((plan) => (
          <li key={plan.name}>
            <div class="row-main">
              <a href={link("plan", plan.name)}>{plan.name}</a>
              <DrillState drill={plan.lastDrill} />
            </div>
            <div class="row-side faint">
              <NextDrill next={plan.nextDrill} />
            </div>
          </li>
        ))}
      </ul>
      {plans.length > 12 && (
        <p>
          <a href={link("plans")}>All {plans.length} plans</a>
        </p>
      )}
    </Section>
  );
}

export function DrillState({ drill }: { drill: Json }) {
  const label = { verified: "Rehearsed", "needs-verification": "Rehearse again", "never-verified": "Never rehearsed" }[drill?.status as string];
  return drill ? <State word={drill.status} label={label ?? drill.status} /> : null;
}

export function NextDrill({ next }: { next: Json }) {
  if (!next) return null;
  if (!next.at) return <span>{next.reason || (next.follows ? `after ${next.follows}` : "")}</span>;
  const zone = next.timeZone && next.timeZone !== "UTC" ? ` (${next.localTime.slice(11, 16)} ${next.timeZone})` : "";
  const isDue = Date.parse(next.at) < appNow();
  return (
    <span>
      {isDue && "due since "}
      <Time at={next.at} />
      {zone}
      {next.reason && `: ${next.reason}`}
    </span>
  );
}

export const targetText = (targets: Json): string => [targets?.rto && `RTO ${duration(targets.rto)}`, targets?.rpo && `RPO ${duration(targets.rpo)}`].filter(Boolean).join(", ");
