// Approve: all that a second person has to know, and two buttons.
import { useState } from "preact/hooks";
import { ApiProblem, type Json, path, post } from "../api";
import { appNowText } from "../clock";
import { count } from "../format";
import { Comment, Dialog, Facts, Live, Loading, Notice, ProblemNotice, Section, Sentence, State, Time } from "../parts";
import { usePoll } from "../polling";
import { PreviewView } from "../preview";
import { link } from "../router";
import { isLiving, mentionOf, titleOf, waitsForApproval } from "../runs";
import { may, useMe } from "../session";

const EVERY = 5_000;
type Verdict = "approve" | "reject";

export function Approve({ id }: { id: string }) {
  const { data: run, problem, reload } = usePoll(path("operations", id), EVERY, (found) => !isLiving(found));
  const [sent, setSent] = useState<Verdict | null>(null);
  if (!run) {
    return (
      <>
        <h1>Approval</h1>
        {problem ? <ProblemNotice problem={problem} /> : <Loading what="the run" />}
      </>
    );
  }
  return (
    <>
      <h1>{waitsForApproval(run) ? `Approve: ${mentionOf(run)}?` : titleOf(run)}</h1>
      <ProblemNotice problem={problem} />
      <Sent verdict={sent} run={run} />
      {waitsForApproval(run) ? (
        <Waiting
          run={run}
          isSent={sent !== null}
          onSent={(verdict) => {
            setSent(verdict);
            reload();
          }}
        />
      ) : (
        <Decided run={run} />
      )}
    </>
  );
}

/** Stays, whatever the run does next: it may have ended before anybody could read this. */
function Sent({ verdict, run }: { verdict: Verdict | null; run: Json }) {
  return (
    <>
      <Live text={verdict ? `Your decision was sent: ${verdict}.` : ""} />
      {verdict && (
        <Notice tone="good" title={verdict === "approve" ? "Your approval was sent" : "Your rejection was sent"}>
          <p>
            The run shows it as soon as it has heard it. <a href={link("run", run.id)}>Follow the run</a>
          </p>
        </Notice>
      )}
    </>
  );
}

function Decided({ run }: { run: Json }) {
  return (
    <>
      <Notice tone="idle" title="It does not wait for an approval">
        <p>
          <State word={run.state} /> {run.summary}
        </p>
      </Notice>
      <p>
        <a class="button" href={link("run", run.id)}>
          Go to the run
        </a>
      </p>
    </>
  );
}

function Waiting({ run, isSent, onSent }: { run: Json; isSent: boolean; onSent: (verdict: Verdict) => void }) {
  const awaited = run.waitingFor;
  return (
    <>
      <Section title="Who asks, and until when" wide aside={<a href={link("run", run.id)}>The run</a>}>
        <Facts
          rows={[
            ["Asked for by", run.requestedBy || "nobody: it began by itself"],
            ["Asked", <Time at={run.createdAt} />],
            ["Waits for", <Required awaited={awaited} />],
            ["Given so far", `${awaited.approvalsGiven.length} of ${awaited.approvalsNeeded}${awaited.approvalsGiven.length ? `: ${awaited.approvalsGiven.map((one: Json) => one.by ?? one).join(", ")}` : ""}`],
            ["Until", awaited.until ? <TimeLeft until={awaited.until} /> : "somebody decides"],
            ["Reason given", run.override?.reason ?? ""],
            ["Plan version", run.planVersion ?? ""],
            ["Digest", (awaited.previewDigest || run.digest) && <code>{(awaited.previewDigest || run.digest).slice(0, 16)}</code>],
          ]}
        />
      </Section>
      {run.preview && <PreviewView preview={run.preview} />}
      {!run.preview && <Change run={run} />}
      {!isSent && <Buttons run={run} onSent={onSent} />}
    </>
  );
}

const youOr = (others: number) => (others > 0 ? `you, or ${count(others, "other")}` : "you");

/** Whose approvals are missing; a long list of object ids says less than whether this person is one of them. */
function Required({ awaited }: { awaited: Json }) {
  const me = useMe();
  return (
    <>
      {awaited.required.map((one: Json) => (
        <div>
          {one.count} for the {one.source}: {one.approvers.length === 0 ? "anyone who may approve" : one.approvers.includes(me.id) ? youOr(one.approvers.length - 1) : `one of ${count(one.approvers.length, "person")} whom it names`}
        </div>
      ))}
    </>
  );
}

function TimeLeft({ until }: { until: string }) {
  return (
    <>
      <Time at={until} /> ({appNowText(until)})
    </>
  );
}

function Change({ run }: { run: Json }) {
  return (
    <Section title="What would change" wide>
      <p>{run.detail}</p>
      {run.changedFields?.length > 0 && <p>Fields: {run.changedFields.join(", ")}</p>}
      {run.document && <pre tabIndex={0}>{JSON.stringify(run.document, null, 2)}</pre>}
    </Section>
  );
}

function Buttons({ run, onSent }: { run: Json; onSent: (verdict: Verdict) => void }) {
  const me = useMe();
  const [comment, setComment] = useState("");
  const [asked, setAsked] = useState<Verdict | null>(null);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const why = whyNot(me, run);

  const send = async (verdict: Verdict) => {
    setAsked(null);
    try {
      await post(path("operations", run.id, verdict), { ...boundTo(run), ...(comment.trim() ? { comment: comment.trim() } : {}) });
      onSent(verdict);
    } catch (error) {
      setProblem(error as ApiProblem);
    }
  };
  return (
    <section class="decide" aria-label="Your decision">
      <ProblemNotice problem={problem} />
      {why && <Notice tone="warn" title="You cannot decide this"><p>{why}</p></Notice>}
      {!why && (
        <>
          <Comment value={comment} onInput={setComment} />
          <div class="buttons">
            <button class="primary" onClick={() => setAsked("approve")}>
              Approve
            </button>
            <button class="danger" onClick={() => setAsked("reject")}>
              Reject
            </button>
          </div>
        </>
      )}
      {asked && (
        <Dialog title={asked === "approve" ? `Approve ${mentionOf(run)}?` : `Reject ${mentionOf(run)}?`} onClose={() => setAsked(null)}>
          <p>{asked === "approve" ? "It begins once enough persons have approved it." : "It ends, and nothing is done."}</p>
          {asked === "approve" && run.preview?.irreversible.map((line: string) => <p class="strong-note"><Sentence text={line} /></p>)}
          <div class="buttons">
            <button class={asked === "approve" ? "primary" : "danger"} onClick={() => send(asked)}>
              {asked === "approve" ? "Yes, approve" : "Yes, reject"}
            </button>
            <button onClick={() => setAsked(null)}>Go back</button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

/** The decision counts for what this person was shown, and for nothing else. */
function boundTo(run: Json): Json {
  const digest = run.waitingFor.previewDigest || run.preview?.previewDigest;
  if (digest) return { preview: digest };
  return run.digest ? { digest: run.digest } : {};
}

function whyNot(me: ReturnType<typeof useMe>, run: Json): string {
  if (me.door === "keys") return "Function keys open this app: nobody knows who uses one.";
  if (!may(me, "Dr.Approve")) return `It takes the role Dr.Approve; ${me.name} has ${me.roles.join(", ") || "none"}.`;
  if (me.id && me.id === run.requesterId) return "You asked for it: another person has to decide. To give it up, abort the run.";
  if (!run.waitingFor.required.some((one: Json) => one.approvers.length === 0 || one.approvers.includes(me.id))) return "It names who may approve it, and you are not one of them.";
  return "";
}
