// Start a verb: how, what it would do, and the words that begin it.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiProblem, type Json, path, post, preview as readPreview } from "../api";
import { words } from "../format";
import { Comment, Live, Notice, ProblemNotice } from "../parts";
import { PreviewView } from "../preview";
import { link } from "../router";
import { may, useMe } from "../session";

const VERBS = ["drill", "failover", "commit", "cancel", "change-point", "failback", "reprotect", "roundtrip"];
const WITH_TYPE = ["failover", "roundtrip"];
const FROM_A_POINT = ["drill", "failover", "change-point", "roundtrip"];

interface Choice {
  type: string;
  vms: string;
  recoveryPoint: string;
  outageAt: string;
  drill: string;
  dataSync: string;
}

/** The body that these choices make; what is left as it is, is left to the plan. */
export function bodyOf(verb: string, choice: Choice): Json {
  const vms = choice.vms.split(/[\s,;]+/).filter(Boolean);
  return {
    ...(vms.length > 0 ? { vms } : {}),
    ...(WITH_TYPE.includes(verb) ? { type: choice.type } : {}),
    ...(FROM_A_POINT.includes(verb) && choice.recoveryPoint ? { recoveryPoint: choice.recoveryPoint } : {}),
    ...(WITH_TYPE.includes(verb) && choice.type === "unplanned" && choice.outageAt ? { outageAt: choice.outageAt } : {}),
    ...(verb === "failover" && choice.drill ? { drill: choice.drill } : {}),
    ...(verb === "failback" && choice.dataSync ? { dataSync: choice.dataSync } : {}),
  };
}

export function Start({ plan, verb, query }: { plan: string; verb: string; query: URLSearchParams }) {
  const [choice, setChoice] = useState<Choice>({
    type: query.get("type") === "unplanned" ? "unplanned" : "planned",
    vms: (query.get("vms") ?? "").split(",").join(", "),
    recoveryPoint: "",
    outageAt: "",
    drill: "",
    dataSync: "",
  });
  const [seen, setSeen] = useState<{ preview: Json; body: Json; key: string } | null>(null);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [isReading, setIsReading] = useState(false);
  const change = (part: Partial<Choice>) => {
    setChoice({ ...choice, ...part });
    setSeen(null);
  };
  const look = async (event?: Event) => {
    event?.preventDefault();
    setIsReading(true);
    setProblem(null);
    setSeen(null);
    const body = bodyOf(verb, choice);
    try {
      setSeen({ preview: await readPreview(path("plans", plan, verb), body), body, key: crypto.randomUUID() });
    } catch (error) {
      setProblem(error as ApiProblem);
    }
    setIsReading(false);
  };
  useEffect(() => {
    if (VERBS.includes(verb) && !WITH_TYPE.includes(verb)) void look();
  }, []);
  if (!VERBS.includes(verb)) {
    return (
      <>
        <h1>No such verb</h1>
        <p>
          <a href={link("plan", plan)}>Go to {plan}</a>
        </p>
      </>
    );
  }
  return (
    <>
      <h1>
        {words(verb)} of {plan}
      </h1>
      <form class="card wide" onSubmit={look}>
        <Choices verb={verb} choice={choice} change={change} />
        <div class="buttons">
          <button class={seen ? "" : "primary"} disabled={isReading}>
            {isReading ? "Reading from Azure…" : "Show what it would do"}
          </button>
        </div>
      </form>
      <Live text={seen ? "The preview is below." : ""} />
      <ProblemNotice problem={problem} />
      {seen && (
        <>
          <h2 class="preview-title">What it would do</h2>
          <PreviewView preview={seen.preview} />
          <Begin key={seen.key} plan={plan} verb={verb} seen={seen} />
        </>
      )}
    </>
  );
}

function Choices({ verb, choice, change }: { verb: string; choice: Choice; change: (part: Partial<Choice>) => void }) {
  const id = useId();
  return (
    <div class="choices">
      {WITH_TYPE.includes(verb) && (
        <fieldset>
          <legend>Type</legend>
          {[
            ["planned", "Planned: the source is shut down, nothing is lost"],
            ["unplanned", "Unplanned: for a site that is lost"],
          ].map(([value, text]) => (
            <label class="choice">
              <input type="radio" name="type" value={value} checked={choice.type === value} onChange={() => change({ type: value })} /> {text}
            </label>
          ))}
        </fieldset>
      )}
      {WITH_TYPE.includes(verb) && choice.type === "unplanned" && (
        <div class="field">
          <label for={`${id}-outage`}>When the source was lost (UTC, may be empty)</label>
          <input id={`${id}-outage`} type="text" placeholder="2026-11-28T03:10:00Z" value={choice.outageAt} onInput={(event) => change({ outageAt: event.currentTarget.value.trim() })} />
        </div>
      )}
      {FROM_A_POINT.includes(verb) && (
        <Choose label="Recovery point" value={choice.recoveryPoint} onChange={(recoveryPoint) => change({ recoveryPoint })} options={[["", "The latest"], ["latestProcessed", "Latest processed"], ["latestAppConsistent", "Latest app-consistent"]]} />
      )}
      {verb === "failover" && (
        <Choose label="If a drill has the VMs" value={choice.drill} onChange={(drill) => change({ drill })} options={[["", "Do not begin"], ["clean-up-first", "Clean it up first"], ["leave", "Leave it"]]} />
      )}
      {verb === "failback" && (
        <Choose label="Data" value={choice.dataSync} onChange={(dataSync) => change({ dataSync })} options={[["", "As the plan says"], ["full-download", "Full download"], ["minimise-downtime", "Minimise downtime"]]} />
      )}
      <div class="field">
        <label for={`${id}-vms`}>Only these VMs</label>
        <input id={`${id}-vms`} type="text" value={choice.vms} aria-describedby={`${id}-vms-hint`} onInput={(event) => change({ vms: event.currentTarget.value })} />
        <p class="hint" id={`${id}-vms-hint`}>
          Names with commas between them. Empty: all for which it makes sense.
        </p>
      </div>
    </div>
  );
}

function Choose({ label, value, onChange, options }: { label: string; value: string; onChange: (value: string) => void; options: string[][] }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([one, text]) => (
          <option value={one}>{text}</option>
        ))}
      </select>
    </div>
  );
}

function Begin({ plan, verb, seen }: { plan: string; verb: string; seen: { preview: Json; body: Json; key: string } }) {
  const me = useMe();
  const { preview } = seen;
  const [typed, setTyped] = useState("");
  const [override, setOverride] = useState("");
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const isSending = useRef(false);
  const [isBusy, setIsBusy] = useState(false);
  const wanted = preview.confirm || (preview.irreversible.length > 0 ? plan : "");
  const role = verb === "drill" ? "Dr.Drill" : "Dr.Operate";
  if (!may(me, role)) return <Notice tone="warn" title="You cannot start this"><p>It takes the role {role}; {me.name} has {me.roles.join(", ")}.</p></Notice>;
  if (preview.blockers.length > 0) return <Notice tone="bad" title="It cannot begin now"><p>What is in the way is named above. Nothing overrides it.</p></Notice>;
  const lacksReason = preview.concerns.length > 0 && !override.trim();

  const send = async (event: Event) => {
    event.preventDefault();
    if (isSending.current) return;
    isSending.current = true;
    setIsBusy(true);
    setProblem(null);
    const body = { ...seen.body, ...(preview.confirm ? { confirm: preview.confirm } : {}), ...(override.trim() ? { override: override.trim() } : {}) };
    try {
      const begun = await post(path("plans", plan, verb), body, seen.key);
      location.hash = link("run", begun.id);
    } catch (error) {
      setProblem(error as ApiProblem);
    }
    isSending.current = false;
    setIsBusy(false);
  };
  return (
    <form class="card wide begin" onSubmit={send}>
      <h2>Begin</h2>
      {preview.requiredApprovals?.length > 0 && <p>It waits for {preview.requiredApprovals.map((one: Json) => `${one.count} approval${one.count === 1 ? "" : "s"} for the ${one.source}`).join(", ")} before anything is done.</p>}
      {preview.concerns.length > 0 && <Comment label="Why it shall begin although the plan is not ready" hint="Kept with the run, with the concerns as they were." value={override} onInput={setOverride} />}
      {wanted && <Typed wanted={wanted} typed={typed} onInput={setTyped} isName={!preview.confirm} />}
      <ProblemNotice problem={problem} />
      <div class="buttons">
        <button class={wanted ? "danger" : "primary"} disabled={isBusy || typed !== wanted || lacksReason}>
          {isBusy ? "Sending…" : `Begin the ${verb}`}
        </button>
      </div>
    </form>
  );
}

export function Typed({ wanted, typed, onInput, isName }: { wanted: string; typed: string; onInput: (text: string) => void; isName: boolean }) {
  const id = useId();
  const isWrong = typed !== "" && !wanted.startsWith(typed);
  return (
    <div class="field">
      <label for={id}>
        This cannot be undone. Type {isName ? "the plan's name" : "this sentence"} to go on: <strong>{wanted}</strong>
      </label>
      <input id={id} type="text" autocomplete="off" spellcheck={false} value={typed} aria-invalid={isWrong} aria-describedby={`${id}-hint`} onInput={(event) => onInput(event.currentTarget.value)} />
      <p class={isWrong ? "hint wrong" : "hint"} id={`${id}-hint`}>
        {isWrong ? "This is something else." : " "}
      </p>
    </div>
  );
}
