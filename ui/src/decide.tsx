// A person's decision on a run: what it would do, a comment, and the button that sends it.
import { useEffect, useState } from "preact/hooks";
import { ApiProblem, type Json, path, post, preview } from "./api";
import { count, listed, words } from "./format";
import { Comment, Dialog, Live, Notice, ProblemNotice } from "./parts";
import { may, useMe } from "./session";

export type Decision = "retry" | "skip" | "resume" | "abort";
export const DECISIONS: string[] = ["retry", "skip", "resume", "abort"];

export interface Asked {
  decision: Decision;
  vms: string[];
}

/** The buttons of a run, and the dialog that one of them opens. */
export function Decide({ run, steps, reload }: { run: Json; steps: Asked[]; reload: () => void }) {
  const me = useMe();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [sent, setSent] = useState("");
  if (!may(me, "Dr.Operate")) {
    return steps.length > 1 ? <p class="faint">To decide takes the role Dr.Operate; {me.name} has {me.roles.join(", ")}.</p> : null;
  }
  return (
    <div class="decide-row">
      <div class="buttons">
        {steps.map((step, index) => (
          <button class={step.decision === "abort" ? "danger" : index === 0 ? "primary" : ""} onClick={() => setAsked(step)}>
            {words(step.decision)}
            {step.vms.length > 0 && ` ${listed(step.vms, 2)}`}
          </button>
        ))}
      </div>
      <Live text={sent} />
      {sent && <Notice tone="good" title={sent} />}
      {asked && (
        <DecisionDialog
          run={run}
          asked={asked}
          onClose={() => setAsked(null)}
          onSent={() => {
            setAsked(null);
            setSent(`${words(asked.decision)} was sent`);
            reload();
          }}
        />
      )}
    </div>
  );
}

function DecisionDialog({ run, asked, onClose, onSent }: { run: Json; asked: Asked; onClose: () => void; onSent: () => void }) {
  const [comment, setComment] = useState("");
  const [effect, setEffect] = useState<Json | null>(null);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const url = path("operations", run.id, asked.decision);
  const body = asked.vms.length > 0 && asked.decision !== "abort" ? { vms: asked.vms } : {};
  useEffect(() => {
    preview(url, body).then(setEffect, setProblem);
  }, [url]);
  const send = () => post(url, { ...body, ...(comment.trim() ? { comment: comment.trim() } : {}) }).then(onSent, setProblem);
  return (
    <Dialog title={`${words(asked.decision)}: ${run.id}`} onClose={onClose}>
      <ProblemNotice problem={problem} />
      {effect ? (
        <p>
          {effect.detail}
          {effect.vms?.length > 0 && ` ${count(effect.vms.length, "VM")}: ${listed(effect.vms, 8)}.`}
        </p>
      ) : (
        !problem && <p class="faint">Reading what it would do…</p>
      )}
      <Comment value={comment} onInput={setComment} />
      <div class="buttons">
        <button class={asked.decision === "abort" ? "danger" : "primary"} disabled={!effect} onClick={send}>
          Yes, {asked.decision}
        </button>
        <button onClick={onClose}>Go back</button>
      </div>
    </Dialog>
  );
}
