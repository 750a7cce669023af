// Runs: what was done, newest first.
import { useRef, useState } from "preact/hooks";
import { ApiProblem, get, type Json } from "../api";
import { words } from "../format";
import { Loading, ProblemNotice, Section } from "../parts";
import { usePoll } from "../polling";
import { RunList } from "../runs";

const EVERY = 15_000;
const STATES = ["", "waiting", "running", "pending", "failed", "aborted", "succeeded"];

export function Runs() {
  const [state, setState] = useState("");
  return (
    <>
      <h1>Runs</h1>
      <div class="field short">
        <label for="state">State</label>
        <select id="state" value={state} onChange={(event) => setState(event.currentTarget.value)}>
          {STATES.map((one) => (
            <option value={one}>{one ? words(one) : "All"}</option>
          ))}
        </select>
      </div>
      <History key={state} query={state ? `&state=${state}` : ""} title="Newest first" />
    </>
  );
}

/** A page of runs that is kept up to date, and older ones as they are asked for. */
export function History({ query, title }: { query: string; title: string }) {
  const { data, problem, isLoading } = usePoll(`/api/operations?top=30${query}`, EVERY);
  const older = useRef<Json[]>([]);
  const [next, setNext] = useState<string | null | undefined>(undefined);
  const [olderProblem, setOlderProblem] = useState<ApiProblem | null>(null);
  const before = useRef<Json[]>([]);
  const newest: Json[] = data?.value ?? [];
  if (newest !== before.current && newest.length > 0) {
    const end = newest[newest.length - 1].createdAt;
    if (next !== undefined) older.current = joined(before.current.filter((run) => run.createdAt < end), older.current);
    before.current = newest;
  }
  const link = next === undefined ? data?.nextLink : next;

  const readOlder = async () => {
    try {
      const page = await get(link);
      older.current = joined(older.current, page.value);
      setNext(page.nextLink ?? null);
      setOlderProblem(null);
    } catch (error) {
      setOlderProblem(error as ApiProblem);
    }
  };
  return (
    <Section title={title} wide>
      <ProblemNotice problem={problem ?? olderProblem} />
      {!data && isLoading && <Loading what="runs" />}
      {data && <RunList runs={joined(newest, older.current)} empty="There is no such run." />}
      {link && <button onClick={readOlder}>Older runs</button>}
    </Section>
  );
}

/** Both lists, each run once, as the first that has it says. */
function joined(first: Json[], second: Json[]): Json[] {
  const ids = new Set(first.map((run) => run.id));
  return [...first, ...second.filter((run) => !ids.has(run.id))];
}
