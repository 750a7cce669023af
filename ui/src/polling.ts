// Reads an answer again and again: only while somebody looks, less often when nothing changes or answers are slow.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiProblem, get, type Json } from "./api";

export interface Polled {
  data: Json | null;
  problem: ApiProblem | null;
  isLoading: boolean;
  reload: () => void;
}

const LONGEST = 60_000;
const SLOWER = 1.5;
const SEVERAL = 6;
const SHARE = 10; // an answer that takes a second is asked for every ten seconds at most

/** `isOver` says of an answer that it will not change any more. A null url asks nothing. */
export function usePoll(url: string | null, everyMs: number, isOver: (data: Json) => boolean = () => false): Polled {
  const [state, setState] = useState<Omit<Polled, "reload">>({ data: null, problem: null, isLoading: true });
  const [turn, setTurn] = useState(0);
  const over = useRef(isOver);
  over.current = isOver;
  useEffect(() => {
    if (!url) return;
    setState((before) => ({ ...before, isLoading: true }));
    return keepReading(url, everyMs, (data) => over.current(data), setState);
  }, [url, everyMs, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  return { ...state, reload };
}

type SetState = (change: (before: Omit<Polled, "reload">) => Omit<Polled, "reload">) => void;

function keepReading(url: string, everyMs: number, isOver: (data: Json) => boolean, setState: SetState): () => void {
  const given = new AbortController();
  let timer = 0;
  let pause = everyMs;
  let before = "";
  let isDone = false;

  const look = async () => {
    window.clearTimeout(timer);
    if (document.hidden || given.signal.aborted) return;
    const began = performance.now();
    try {
      const data = await get(url, given.signal);
      const text = JSON.stringify(data);
      pause = text === before ? Math.min(pause * SLOWER, everyMs * SEVERAL, LONGEST) : everyMs;
      if (text !== before) setState(() => ({ data, problem: null, isLoading: false }));
      else setState((now) => (now.problem || now.isLoading ? { ...now, problem: null, isLoading: false } : now));
      before = text;
      isDone = isOver(data);
    } catch (error) {
      if (given.signal.aborted) return;
      const problem = error as ApiProblem;
      pause = Math.min(Math.max(pause * 2, problem.retryAfterMs ?? 0), LONGEST);
      setState((now) => ({ ...now, problem, isLoading: false }));
      isDone = problem.status === 401 || problem.status === 403 || problem.status === 404;
    }
    const slow = (performance.now() - began) * SHARE;
    if (!isDone && !given.signal.aborted) timer = window.setTimeout(look, Math.max(pause, slow));
  };
  const onVisible = () => {
    if (!document.hidden && !isDone) void look();
  };
  document.addEventListener("visibilitychange", onVisible);
  void look();
  return () => {
    given.abort();
    window.clearTimeout(timer);
    document.removeEventListener("visibilitychange", onVisible);
  };
}
