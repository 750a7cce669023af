// Requests to the app's API: few at once, with the sign-in that the door asks for, and errors as the API words them.

export type Json = any;
export interface FieldError {
  field: string;
  detail: string;
}

export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
    readonly errors: FieldError[] = [],
    readonly retryAfterMs = 0,
    readonly body: Json = null,
  ) {
    super(detail);
  }
}

export type Door = "entra" | "keys" | null;
export const NOT_SIGNED_IN = 401;
const KEY = "hcidr-key";
const AT_ONCE = 4; // the app serves eight looks of one caller at once: two windows fit beside each other
const waiting: (() => void)[] = [];
let underWay = 0;
let latest = 0;

/** The newest moment that any answer has named: the app's own clock, which need not be this computer's. */
export const appNow = (): number => latest;

export async function readDoor(): Promise<Door> {
  const response = await fetch("/api/ui/door.json", { cache: "no-store" });
  return response.ok ? (await response.json()).door : null;
}

export const readKey = (): string => sessionStorage.getItem(KEY) ?? "";
export const keepKey = (key: string): void => (key ? sessionStorage.setItem(KEY, key) : sessionStorage.removeItem(KEY));

export const get = (path: string, signal?: AbortSignal): Promise<Json> => inTurn(() => send("GET", path, undefined, {}, signal));

/** A POST. What begins something carries a key, so that the same request sent again begins nothing more. */
export function post(path: string, body: Json, idempotencyKey = ""): Promise<Json> {
  const headers: Record<string, string> = idempotencyKey ? { "Idempotency-Key": idempotencyKey } : {};
  return inTurn(() => send("POST", path, body, headers));
}

export const preview = (path: string, body: Json): Promise<Json> => post(`${path}?preview=true`, body);

/** A path of the API; whatever the parts are, they stay parts. */
export const path = (...parts: string[]): string => `/api/${parts.map(encodeURIComponent).join("/")}`;

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (underWay >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  underWay += 1;
  try {
    return await work();
  } finally {
    underWay -= 1;
    waiting.shift()?.();
  }
}

async function send(method: string, url: string, body?: Json, more: Record<string, string> = {}, signal?: AbortSignal): Promise<Json> {
  const key = readKey();
  const headers = { Accept: "application/json", ...(key ? { "x-functions-key": key } : {}), ...more };
  const response = await fetch(url, {
    method,
    headers: body === undefined ? headers : { ...headers, "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    credentials: "same-origin",
    signal,
  }).catch((error) => {
    if (signal?.aborted) throw error;
    throw new ApiProblem(0, "No answer", "The app did not answer. Is it up, and are you online?");
  });
  const answer = await readJson(response);
  if (!response.ok) throw problemOf(response, answer);
  noteTimes(answer);
  return answer;
}

async function readJson(response: Response): Promise<Json> {
  const text = await response.text();
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function problemOf(response: Response, answer: Json): ApiProblem {
  const { status } = response;
  const title = answer?.title ?? (status === NOT_SIGNED_IN ? "Not signed in" : `Status ${status}`);
  const detail = answer?.detail ?? (status === NOT_SIGNED_IN ? "Sign in to go on." : "The app gave no reason.");
  return new ApiProblem(status, title, detail, answer?.errors ?? [], Number(response.headers.get("Retry-After") ?? 0) * 1000, answer);
}

function noteTimes(answer: Json): void {
  const rows = Array.isArray(answer?.value) ? answer.value : [];
  for (const one of [answer, ...rows]) {
    for (const name of ["readAt", "updatedAt", "lastLook"]) {
      const moment = Date.parse(one?.[name] ?? "");
      if (moment > latest) latest = moment;
    }
  }
}
