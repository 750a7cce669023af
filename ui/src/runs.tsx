// What several screens say of runs.
import type { Json } from "./api";
import { words } from "./format";
import { Bar, Sentence, State, Time } from "./parts";
import { link } from "./router";

export const isLiving = (run: Json): boolean => ["pending", "running", "waiting"].includes(run.state);
export const subjectOf = (run: Json): string => run.plan ?? run.site ?? run.node ?? run.subject ?? "";
const lowered = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
/** The same within a sentence: names keep their spelling. */
export const mentionOf = (run: Json): string => lowered(titleOf(run));
export const titleOf = (run: Json): string => `${words(run.kind)}${subjectOf(run) ? ` of ${subjectOf(run)}` : ""}`;
export const waitsForApproval = (run: Json): boolean => run.waitingFor?.kind === "approval";
/** What a run waits for, as a sentence. */
export function waitText(run: Json): string {
  const text: string = run.waitingForText ?? "";
  return !text || text.startsWith("Waiting") ? text : `Waiting for ${text}`;
}
export const runLink = (run: Json): string => link(waitsForApproval(run) ? "approve" : "run", run.id);

const SHOWN = 6;
const LISTED = 500;

export function RunList({ runs, empty }: { runs: Json[]; empty: string }) {
  if (runs.length === 0) return <p class="faint">{empty}</p>;
  return (
    <ul class="rows">
      {runs.map((run) => (
        <li key={run.id}>
          <div class="row-main">
            <a href={runLink(run)}>{titleOf(run)}</a>
            <State word={run.state} />
            {run.waitingForText && <p class="row-note"><Sentence text={waitText(run)} /></p>}
            {!run.waitingForText && isLiving(run) && run.phase && <p class="row-note">{words(run.phase)}</p>}
          </div>
          <div class="row-side">
            {isLiving(run) && run.progress?.total > 0 && <Bar done={run.progress.completed} total={run.progress.total} label={`Progress of ${titleOf(run)}`} />}
            <span class="faint">
              {run.requestedBy && `by ${run.requestedBy}, `}
              <Time at={run.createdAt} />
            </span>
          </div>
        </li>
      ))}
    </ul>
  );
}

/** What is in the way of something; what is only worth knowing is folded up. */
export function Obstacles({ title, rows, tone }: { title: string; rows: Json[] | undefined; tone: "bad" | "warn" | "idle" }) {
  if (!rows?.length) return null;
  if (tone === "idle") {
    return (
      <details class="obstacles">
        <summary>
          {title} ({rows.length})
        </summary>
        <ul>
          {rows.slice(0, LISTED).map((one) => (
            <Obstacle one={one} />
          ))}
        </ul>
      </details>
    );
  }
  return (
    <div class={`obstacles ${tone}`}>
      <h3>
        <State word="" tone={tone} label={title} />
      </h3>
      <ul>
        {rows.slice(0, SHOWN).map((one) => (
          <Obstacle one={one} />
        ))}
      </ul>
      {rows.length > SHOWN && (
        <details>
          <summary>{rows.length - SHOWN} more</summary>
          <ul>
            {rows.slice(SHOWN, LISTED).map((one) => (
              <Obstacle one={one} />
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

function Obstacle({ one }: { one: Json }) {
  const about = one.vm || one.subject || one.node || "";
  const text = `${one.detail ?? ""}`;
  return (
    <li>
      {about && !text.startsWith(about) ? `${about}: ` : ""}
      <Sentence text={text} /> {one.remedy && <span class="faint">{one.remedy}</span>} {one.code && <code>{one.code}</code>}
    </li>
  );
}
