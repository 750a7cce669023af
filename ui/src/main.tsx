// The page: its frame, and which screen stands in it.
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { link, type Route, useRoute } from "./router";
import { Approve } from "./screens/approve";
import { Now } from "./screens/now";
import { PlanScreen } from "./screens/plan";
import { Plans } from "./screens/plans";
import { RunScreen } from "./screens/run";
import { Runs } from "./screens/runs";
import { Setup } from "./screens/setup";
import { SiteScreen } from "./screens/site";
import { Start } from "./screens/start";
import { type Me, SignedIn } from "./session";

const TABS: [string, string, string[]][] = [
  ["Now", "", ["", "site"]],
  ["Plans", "plans", ["plans", "plan"]],
  ["Runs", "runs", ["runs", "run", "approve"]],
];

function screenOf({ parts, query }: Route) {
  const [where = "", name = "", what = "", verb = ""] = parts;
  if (where === "") return <Now />;
  if (where === "plans") return <Plans />;
  if (where === "plan" && what === "start") return <Start key={`${name}/${verb}`} plan={name} verb={verb} query={query} />;
  if (where === "plan") return <PlanScreen key={name} name={name} />;
  if (where === "runs") return <Runs />;
  if (where === "run") return <RunScreen key={name} id={name} />;
  if (where === "approve") return <Approve key={name} id={name} />;
  if (where === "site" && what === "setup") return <Setup key={name} site={name} />;
  if (where === "site") return <SiteScreen key={name} name={name} />;
  return (
    <>
      <h1>No such screen</h1>
      <p>
        <a href="#/">Go to Now</a>
      </p>
    </>
  );
}

function Frame({ me, leave }: { me: Me; leave: () => void }) {
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const where = route.parts.join("/");
  const isFirst = useRef(true);
  useEffect(() => {
    const name = route.parts.length ? route.parts.slice(0, 2).join(" ") : "Now";
    document.title = `${name.charAt(0).toUpperCase()}${name.slice(1)} · HCI Site Recovery`;
    if (!isFirst.current) {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [where]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to the content
      </a>
      <header>
        <a class="brand" href="#/">
          <img src="/api/ui/icon.svg" alt="" width="22" height="22" />
          <span>HCI Site Recovery</span>
        </a>
        <nav aria-label="Screens">
          {TABS.map(([title, target, below]) => (
            <a href={target ? link(target) : "#/"} aria-current={below.includes(route.parts[0] ?? "") ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <div class="person">
          <span title={me.roles.join(", ")}>{me.name}</span>
          <button class="quiet" onClick={leave}>
            Sign out
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1} ref={main}>
        {screenOf(route)}
      </main>
    </>
  );
}

render(<SignedIn>{(me, leave) => <Frame me={me} leave={leave} />}</SignedIn>, document.getElementById("app") as HTMLElement);
