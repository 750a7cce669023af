// A run: how it stands, what failed, what it waits for, each VM, and what can be done now.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Json, path } from "../api";
import { appNowText } from "../clock";
import { type Asked, Decide, DECISIONS, type Decision } from "../decide";
import { count, duration, span, spelled, toneOf, utcTime, words } from "../format";
import { Bar, Facts, Live, Loading, LongTable, ProblemNotice, Section, Sentence, State, Time } from "../parts";
import { usePoll } from "../polling";
import { link } from "../router";
import { isLiving, Obstacles, subjectOf, titleOf, waitText } from "../runs";
import { useMe } from "../session";
import { OwedList } from "./now";
import { vmsQuery } from "./plan";

const EVERY = 4_000;
const FIRST = ["failed", "blocked", "paused", "running", "probing", "settling", "starting", "resuming", "waiting", "skipped", "done"];
const TAKES_ABORT = ["change", "drill", "failover", "commit", "cancel", "change-point", "failback", "reprotect", "roundtrip", "cleanup"];

export function RunScreen({ id }: { id: string }) {
  const { data: run, problem, reload } = usePoll(path("operations", id), EVERY, (found) => !isLiving(found));
  if (!run) {
    return (
      <>
        <h1>{id}</h1>
        {problem ? <ProblemNotice problem={problem} /> : <Loading what="the run" />}
      </>
    );
  }
  return (
    <>
      <h1>{titleOf(run)}</h1>
      <ProblemNotice problem={problem} />
      <Headline run={run} />
      <Obstacles title="Refused" tone="bad" rows={run.obstacles} />
      <Obstacles title="Failed" tone="bad" rows={run.failures} />
      <NextSteps run={run} reload={reload} />
      {run.items?.length > 0 && <Items run={run} />}
      <Checks run={run} />
      <div class="grid">
        <Request run={run} />
        <Targets run={run} />
        <Repair run={run} />
        <Timeline steps={run.facts?.timeline ?? run.timeline} />
        <People run={run} />
        <Hooks hooks={run.hooks ?? []} />
        {run.obligations?.length > 0 && (
          <Section title="Owed">
            <OwedList owed={run.obligations} />
          </Section>
        )}
        <Limits lines={run.limitations ?? []} />
      </div>
    </>
  );
}

function Headline({ run }: { run: Json }) {
  const progress = run.progress;
  const text = waitText(run) || run.summary;
  return (
    <div class="headline">
      <State word={run.state} />
      <p>
        <Sentence text={text} />
      </p>
      {isLiving(run) && (
        <div class="headline-row">
          {run.phase && <span>{words(run.phase)}</span>}
          {progress?.total > 0 && <Bar done={progress.completed} total={progress.total} label="VMs or steps that are done" />}
          {progress?.stageCount > 1 && (
            <span>
              stage {progress.currentStage} of {progress.stageCount}
            </span>
          )}
          {run.expectedEnd && (
            <span>
              expected to end <Time at={run.expectedEnd} /> ({appNowText(run.expectedEnd)})
            </span>
          )}
        </div>
      )}
      <Announce run={run} />
    </div>
  );
}

/** Says changes of the state and of what is waited for, not every VM. */
function Announce({ run }: { run: Json }) {
  const [text, setText] = useState("");
  const before = useRef("");
  useEffect(() => {
    const now = `${words(run.state)}. ${run.waitingFor ? run.waitingForText : ""}`;
    if (before.current && before.current !== now) setText(now);
    before.current = now;
  }, [run.state, run.waitingForText]);
  return <Live text={text} />;
}

function NextSteps({ run, reload }: { run: Json; reload: () => void }) {
  const steps: Json[] = run.nextSteps ?? [];
  const decisions: Asked[] = steps.filter((step) => DECISIONS.includes(step.verb) && step.route.includes("/operations/")).map((step) => ({ decision: step.verb as Decision, vms: step.vms }));
  const takesAbort = isLiving(run) && TAKES_ABORT.includes(run.kind);
  if (takesAbort && !decisions.some((one) => one.decision === "abort")) decisions.push({ decision: "abort", vms: [] });
  const others = steps.filter((step) => !DECISIONS.includes(step.verb));
  if (decisions.length === 0 && others.length === 0) return null;
  return (
    <section class="card wide" aria-label="What can be done now">
      <h2>What can be done now</h2>
      {steps.length > 0 && (
        <ul class="plain steps">
          {steps.map((step) => (
            <li>
              <StepLink run={run} step={step} />: <Sentence text={step.why} />
            </li>
          ))}
        </ul>
      )}
      {decisions.length > 0 && <Decide run={run} steps={decisions} reload={reload} />}
    </section>
  );
}

function StepLink({ run, step }: { run: Json; step: Json }) {
  if (step.route.includes("/approve") || step.route.includes("/reject")) return <a href={link("approve", run.id)}>{words(step.verb)}</a>;
  const plan = /\/plans\/([^/]+)\//.exec(step.route)?.[1];
  if (plan && step.verb !== "recovery-plans") return <a href={`${link("plan", decodeURIComponent(plan), "start", step.verb)}?${vmsQuery(step.vms)}`}>{words(step.verb)}</a>;
  return <strong>{words(step.verb)}</strong>;
}

function Request({ run }: { run: Json }) {
  const me = useMe();
  const subject = subjectOf(run);
  const where = run.plan ? link("plan", run.plan) : run.site ? link("site", run.site) : "";
  const options = Object.entries(run.options ?? {}).filter(([name]) => name !== "vms");
  return (
    <Section title="Request" aside={me.door === "entra" && <a href={run.links.report}>Report</a>}>
      <Facts
        rows={[
          ["About", where ? <a href={where}>{subject}</a> : subject],
          ["Asked for by", run.requestedBy],
          ["Asked", <Time at={run.createdAt} />],
          ["Began", run.startedAt && <Time at={run.startedAt} />],
          ["Ended", run.endedAt && <Time at={run.endedAt} />],
          ["Plan version", run.planVersion ?? ""],
          ...options.map(([name, value]): [string, string] => [words(name), spelled(value)]),
          ["Override", run.override?.reason ?? ""],
          ["Run", <code>{run.id}</code>],
        ]}
      />
    </Section>
  );
}

function Targets({ run }: { run: Json }) {
  const achieved = run.achieved;
  if (!achieved) return null;
  return (
    <Section title="Targets">
      <Facts
        rows={[
          ["RTO", <Target met={achieved.rtoMet} value={achieved.rto} target={achieved.rtoTarget} />],
          ["RPO", <Target met={achieved.rpoMet} value={achieved.rpo} target={achieved.rpoTarget} />],
          ["Usually takes", run.forecast?.medianSeconds ? `${span(run.forecast.medianSeconds)} (${count(run.forecast.basedOnRuns, "run")})` : ""],
        ]}
      />
    </Section>
  );
}

function Target({ met, value, target }: { met: boolean | null; value: string | null; target: string | null }) {
  const text = `${value ? duration(value) || "0 s" : "not known yet"}${target ? `, target ${duration(target)}` : ""}`;
  if (met === null || met === undefined) return <span>{text}</span>;
  return <State word="" tone={met ? "good" : "bad"} label={`${text}: ${met ? "met" : "missed"}`} />;
}

function Items({ run }: { run: Json }) {
  const [filter, setFilter] = useState("");
  const ranks = new Map(FIRST.map((state, index) => [state, index]));
  const wanted = filter.toLowerCase();
  const rows: Json[] = run.items
    .filter((item: Json) => `${item.vm} ${item.state} ${item.detail}`.toLowerCase().includes(wanted))
    .sort((one: Json, other: Json) => (ranks.get(one.state) ?? 0) - (ranks.get(other.state) ?? 0));
  const range = rangeOf(run);
  return (
    <Section title={count(run.items.length, "VM")} wide>
      {run.items.length > 12 && (
        <div class="field short">
          <label for="vm-filter">Find a VM</label>
          <input id="vm-filter" type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        </div>
      )}
      {range && (
        <p class="hint">
          Bars from <Time at={new Date(range.from).toISOString()} /> to <Time at={new Date(range.to).toISOString()} />
        </p>
      )}
      <LongTable
        label="VMs of the run"
        rows={rows}
        columns={[
          { title: "VM", width: "minmax(7rem, 1fr)", cell: (item) => <span title={item.vm}>{item.vm}</span> },
          { title: "State", width: "7.5rem", cell: (item) => <State word={item.state} tone={item.state === "waiting" ? "idle" : undefined} /> },
          ...(range ? [{ title: "Timeline", width: "minmax(8rem, 2fr)", cell: (item: Json) => <Bars item={item} range={range} /> }] : []),
          ...(rows.some((item) => item.privateIp) ? [{ title: "Address", width: "8rem", cell: (item: Json) => item.privateIp }] : []),
          ...(rows.some((item) => item.percent) ? [{ title: "Copied", width: "6rem", cell: (item: Json) => `${item.percent} %` }] : []),
          { title: "Detail", width: "minmax(10rem, 3fr)", cell: (item) => <span title={item.detail}>{item.detail || item.code}</span> },
        ]}
      />
    </Section>
  );
}

interface Range {
  from: number;
  to: number;
}

function rangeOf(run: Json): Range | null {
  const from = Date.parse(run.startedAt ?? run.createdAt);
  const ends = run.items.flatMap((item: Json) => (item.steps ?? []).flatMap((step: Json) => [step.endedAt, step.startedAt])).filter(Boolean).map(Date.parse);
  const last = isLiving(run) ? Date.parse(run.updatedAt) : Date.parse(run.endedAt ?? run.updatedAt);
  const to = ends.reduce((latest: number, one: number) => Math.max(latest, one), last);
  return ends.length > 0 && to > from ? { from, to } : null;
}

function Bars({ item, range }: { item: Json; range: Range | null }) {
  const steps: Json[] = (item.steps ?? []).filter((step: Json) => step.startedAt);
  if (!range || steps.length === 0) return null;
  const share = (moment: number) => ((moment - range.from) / (range.to - range.from)) * 100;
  const described = steps.map((step) => `${words(step.verb)} ${step.outcome}, ${utcTime(step.startedAt)}${step.endedAt ? `, ${span((Date.parse(step.endedAt) - Date.parse(step.startedAt)) / 1000)}` : ""}`).join("; ");
  return (
    <svg class="bars" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={described}>
      <title>{described}</title>
      {steps.map((step) => {
        const x = share(Date.parse(step.startedAt));
        const end = share(step.endedAt ? Date.parse(step.endedAt) : range.to);
        return <rect class={toneOf(step.outcome)} x={x} y="1.5" width={Math.max(end - x, 0.8)} height="7" />;
      })}
    </svg>
  );
}

function Checks({ run }: { run: Json }) {
  const rows: Json[] = run.checks ?? run.steps ?? run.drift ?? [];
  if (rows.length === 0) return null;
  if (run.drift?.length) return <Obstacles title="Different from what is declared" tone="warn" rows={run.drift.map((one: Json) => ({ vm: one.part, detail: `declared ${one.declared}, found ${one.found}` }))} />;
  const order = ["fail", "unknown", "warn"];
  const passed = rows.filter((one) => one.state === "pass");
  const shown = rows.filter((one) => one.state !== "pass");
  if (run.checks) shown.sort((one, other) => order.indexOf(one.state) - order.indexOf(other.state));
  return (
    <Section title={run.checks ? "Checks" : "Steps"} wide>
      <CheckRows rows={shown} />
      {passed.length > 0 && (
        <details>
          <summary>{count(passed.length, "check")} passed</summary>
          <CheckRows rows={passed} />
        </details>
      )}
    </Section>
  );
}

function CheckRows({ rows }: { rows: Json[] }) {
  return (
    <ul class="rows">
      {rows.map((one) => (
        <li key={one.id} class="stacked">
          <div class="row-main">
            <State word={one.state ?? one.outcome ?? ""} />
            <span>{one.title}</span>
          </div>
          {(one.remedy || one.detail) && <p class="row-note">{one.remedy || one.detail}</p>}
          {one.evidence?.length > 0 && (
            <ul class="plain faint">
              {one.evidence.map((line: string) => (
                <li>{line}</li>
              ))}
            </ul>
          )}
        </li>
      ))}
    </ul>
  );
}

function Repair({ run }: { run: Json }) {
  const facts = run.facts;
  if (run.kind !== "repair" || !facts?.cause) return null;
  return (
    <Section title="Repair" aside={facts.healed && <State word="healed" />}>
      <Facts
        rows={[
          ["Cause", words(facts.cause)],
          ["Proved up to", words(facts.rung ?? "")],
          ["What cures it", facts.remedy],
          ["Finding", facts.finding ?? ""],
          ["Next attempt", facts.nextAttempt && <Time at={facts.nextAttempt} />],
        ]}
      />
      {facts.evidence?.length > 0 && (
        <details>
          <summary>What shows the cause</summary>
          <ul class="plain">
            {facts.evidence.map((line: string) => (
              <li>{line}</li>
            ))}
          </ul>
        </details>
      )}
    </Section>
  );
}

function Timeline({ steps }: { steps: Json[] | undefined }) {
  if (!steps?.length) return null;
  return (
    <Section title="Phases">
      <ol class="plain">
        {steps.map((step) => (
          <li>
            {words(step.phase)}: {span(step.seconds)}, from <Time at={step.began} />
          </li>
        ))}
      </ol>
    </Section>
  );
}

function People({ run }: { run: Json }) {
  const rows: Json[] = [
    ...(run.approvals ?? []).map((one: Json) => ({ ...one, verdict: one.approved ? "approved" : "rejected" })),
    ...(run.decisions ?? []),
  ].sort((one, other) => String(one.at).localeCompare(String(other.at)));
  if (rows.length === 0) return null;
  return (
    <Section title="Decisions">
      <ul class="rows">
        {rows.map((one) => (
          <li>
            <div class="row-main">
              <strong>{one.by || "nobody known"}</strong> {one.verdict}
              {one.comment && <p class="row-note">{one.comment}</p>}
            </div>
            <div class="row-side faint">
              <Time at={one.at} />
            </div>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Hooks({ hooks }: { hooks: Json[] }) {
  if (hooks.length === 0) return null;
  return (
    <Section title="Hooks">
      <ul class="rows">
        {hooks.map((hook) => (
          <li>
            <div class="row-main">
              <span>{hook.name}</span>
              <State word={hook.outcome ?? hook.state ?? ""} />
              {hook.detail && <p class="row-note">{hook.detail}</p>}
            </div>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Limits({ lines }: { lines: string[] }) {
  if (lines.length === 0) return null;
  return (
    <Section title="Works differently now">
      <details>
        <summary>{count(lines.length, "limit")}</summary>
        <ul class="plain">
          {lines.map((line) => (
            <li>{line}</li>
          ))}
        </ul>
      </details>
    </Section>
  );
}

