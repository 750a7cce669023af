// Setting a site up: four steps, each with its preview, its last run and a button.
import { useEffect, useState } from "preact/hooks";
import { ApiProblem, type Json, path, post, preview as readPreview } from "../api";
import { words } from "../format";
import { Dialog, Loading, ProblemNotice, Section, State, Time } from "../parts";
import { usePoll } from "../polling";
import { link } from "../router";
import { may, useMe } from "../session";

const EVERY = 10_000;
const STEPS = [
  { kind: "preflight", title: "Check every prerequisite", text: "Changes nothing. Names what is missing and what puts it right.", role: "Dr.Operate", body: {} },
  { kind: "prepare", title: "Create what the site needs", text: "Vault, policy, cache storage, roles, and the Site Recovery extension on each node. What is there is kept.", role: "Dr.Admin", body: {} },
  { kind: "replication", title: "Protect the VMs", text: "Enables replication for the site's VMs and follows their first copy.", role: "Dr.Operate", body: { action: "enable" } },
  { kind: "verify", title: "Compare with what is declared", text: "Changes nothing. Tells each difference between the site as declared and as it is.", role: "Dr.Operate", body: {} },
];
type Step = (typeof STEPS)[number];

export function Setup({ site }: { site: string }) {
  return (
    <>
      <h1>Set up {site}</h1>
      <ol class="setup">
        {STEPS.map((step, index) => (
          <li key={step.kind}>
            <SetupStep site={site} step={step} number={index + 1} />
          </li>
        ))}
      </ol>
      <p>
        <a href={link("site", site)}>Go to {site}</a>
      </p>
    </>
  );
}

function SetupStep({ site, step, number }: { site: string; step: Step; number: number }) {
  const me = useMe();
  const { data, problem, isLoading } = usePoll(`/api/operations?kind=${step.kind}&top=50`, EVERY);
  const [isAsked, setIsAsked] = useState(false);
  const last = (data?.value ?? []).find((run: Json) => run.site === site);
  return (
    <Section title={`${number}. ${step.title}`} wide aside={last && <State word={last.state} />}>
      <p>{step.text}</p>
      <ProblemNotice problem={problem} />
      {!data && isLoading && <Loading what="its last run" />}
      {data && !last && <p class="faint">Not done yet.</p>}
      {last && (
        <p>
          <a href={link("run", last.id)}>Last run</a>{" "}
          <span class="faint">
            by {last.requestedBy}, <Time at={last.createdAt} />
          </span>
        </p>
      )}
      {may(me, step.role) ? (
        <div class="buttons">
          <button onClick={() => setIsAsked(true)}>{last ? `${words(step.kind)} again` : words(step.kind)}</button>
        </div>
      ) : (
        <p class="faint">It takes the role {step.role}.</p>
      )}
      {isAsked && <Ask site={site} step={step} onClose={() => setIsAsked(false)} />}
    </Section>
  );
}

function Ask({ site, step, onClose }: { site: string; step: Step; onClose: () => void }) {
  const [seen, setSeen] = useState<Json | null>(null);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [key] = useState(() => crypto.randomUUID());
  const url = path("sites", site, step.kind);
  useEffect(() => void readPreview(url, step.body).then(setSeen, setProblem), [url]);
  const begin = async () => {
    try {
      location.hash = link("run", (await post(url, step.body, key)).id);
    } catch (error) {
      setProblem(error as ApiProblem);
    }
  };
  const rows: Json[] = seen?.steps ?? seen?.items ?? [];
  return (
    <Dialog title={step.title} onClose={onClose}>
      <ProblemNotice problem={problem} />
      {!seen && !problem && <Loading what="what it would do" />}
      {seen && rows.length === 0 && <p>{step.text}</p>}
      {rows.length > 0 && (
        <ul class="plain scrolled" tabIndex={0} aria-label="What it would do">
          {rows.slice(0, 200).map((row) => (
            <li>
              <State word={row.outcome} /> {row.title ?? row.vm}
              {(row.names?.length > 0 || row.detail) && <span class="faint"> {row.names?.join(", ") || row.detail}</span>}
            </li>
          ))}
          {rows.length > 200 && <li>and {rows.length - 200} more</li>}
        </ul>
      )}
      <div class="buttons">
        <button class="primary" disabled={!seen} onClick={begin}>
          Begin
        </button>
        <button onClick={onClose}>Go back</button>
      </div>
    </Dialog>
  );
}
