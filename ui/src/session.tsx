// Who is looking: the sign-in of the platform, or a function key, and what the app says of the person.
import { createContext } from "preact";
import type { ComponentChildren } from "preact";
import { useCallback, useContext, useEffect, useId, useState } from "preact/hooks";
import { ApiProblem, type Door, get, keepKey, NOT_SIGNED_IN, readDoor, readKey } from "./api";
import { Loading, Notice, ProblemNotice } from "./parts";

export interface Me {
  name: string;
  id: string;
  roles: string[];
  door: Door;
}

const WANTED = "hcidr-wanted";
const LOGIN = "/.auth/login/aad?post_login_redirect_uri=/api/ui";
const LOGOUT = "/.auth/logout?post_logout_redirect_uri=/api/ui";
const Person = createContext<Me>({ name: "", id: "", roles: [], door: null });

export const useMe = (): Me => useContext(Person);
export const may = (me: Me, role: string): boolean => me.roles.includes(role);

/** What is shown once the app knows the person, else how to sign in. */
export function SignedIn({ children }: { children: (me: Me, leave: () => void) => ComponentChildren }) {
  const [door, setDoor] = useState<Door | undefined>(undefined);
  const [me, setMe] = useState<Me | null>(null);
  const [problem, setProblem] = useState<ApiProblem | null>(null);

  const look = useCallback(async () => {
    try {
      const found = await readDoor();
      setDoor(found);
      if (found === "keys" && !readKey()) throw new ApiProblem(NOT_SIGNED_IN, "Not signed in", "");
      setMe({ ...(await get("/api/me")), door: found });
      setProblem(null);
      goWhereOneWantedTo();
    } catch (error) {
      setProblem(error instanceof ApiProblem ? error : new ApiProblem(0, "No answer", "The app did not answer."));
    }
  }, []);
  useEffect(() => void look(), [look]);

  const leave = () => {
    keepKey("");
    if (door === "keys") setMe(null);
    else location.assign(LOGOUT);
  };
  if (me) return <Person.Provider value={me}>{children(me, leave)}</Person.Provider>;
  if (!problem && door !== "keys") return <Loading what="who you are" />;
  return <Welcome door={door} problem={problem} onKey={look} />;
}

function Welcome({ door, problem, onKey }: { door: Door | undefined; problem: ApiProblem | null; onKey: () => void }) {
  return (
    <main class="welcome" id="main" tabIndex={-1}>
      <h1>HCI Site Recovery</h1>
      {door === null && (
        <Notice tone="bad" title="This app lets nobody in">
          <p>Its settings do not go together. `GET /api/health` names them.</p>
        </Notice>
      )}
      {problem && problem.status !== NOT_SIGNED_IN && <ProblemNotice problem={problem} />}
      {door === "entra" && <EntraLink isOther={problem?.status !== NOT_SIGNED_IN} />}
      {door === "keys" && <KeyForm isWrong={problem?.status === NOT_SIGNED_IN && readKey() !== ""} onKey={onKey} />}
    </main>
  );
}

function EntraLink({ isOther }: { isOther: boolean }) {
  const keep = () => sessionStorage.setItem(WANTED, location.hash);
  if (isOther) {
    return (
      <p>
        <a class="button primary" href={LOGOUT}>
          Sign in as somebody else
        </a>
      </p>
    );
  }
  return (
    <>
      <p>Plans, drills, failovers and what they wait for. Sign in to see them.</p>
      <p>
        <a class="button primary" href={LOGIN} onClick={keep}>
          Sign in
        </a>
      </p>
    </>
  );
}

function KeyForm({ isWrong, onKey }: { isWrong: boolean; onKey: () => void }) {
  const [key, setKey] = useState("");
  const id = useId();
  const send = (event: Event) => {
    event.preventDefault();
    keepKey(key.trim());
    onKey();
  };
  return (
    <form onSubmit={send}>
      <p>Function keys open this app. Whoever has one could be anybody: nobody can approve here.</p>
      <div class="field">
        <label for={id}>Function key</label>
        <input id={id} type="password" autocomplete="off" required value={key} aria-invalid={isWrong} aria-describedby={`${id}-hint`} onInput={(event) => setKey(event.currentTarget.value)} />
        <p class={isWrong ? "hint wrong" : "hint"} id={`${id}-hint`} role={isWrong ? "alert" : undefined}>
          {isWrong ? "The app does not know this key." : "Kept until this window is closed, and nowhere else."}
        </p>
      </div>
      <button class="primary">Open</button>
    </form>
  );
}

/** A sign-in comes back without the hash: go on to what was asked for before it. */
function goWhereOneWantedTo(): void {
  const wanted = sessionStorage.getItem(WANTED);
  sessionStorage.removeItem(WANTED);
  if (wanted && !location.hash) location.replace(`/api/ui${wanted}`);
}
