// A site: how it is, and each of its nodes with the ladder of proof.
import { useEffect, useState } from "preact/hooks";
import { ApiProblem, type Json, path, post, preview as readPreview } from "../api";
import { listed, span, words } from "../format";
import { Dialog, Facts, Loading, LongTable, Notice, ProblemNotice, Section, State, Time } from "../parts";
import { usePoll } from "../polling";
import { link } from "../router";
import { Obstacles } from "../runs";
import { may, useMe } from "../session";
import { colourOf } from "./now";
import { Changes } from "./plan";

const EVERY = 30_000;
const RUNGS = ["extension", "registry", "service", "provider", "recovery-point", "cluster"];

export function SiteScreen({ name }: { name: string }) {
  const site = usePoll(path("sites", name), EVERY);
  const nodes = usePoll(path("sites", name, "nodes"), EVERY);
  const copies = usePoll(path("sites", name, "replication"), EVERY * 2);
  return (
    <>
      <h1>{name}</h1>
      <ProblemNotice problem={site.problem ?? nodes.problem ?? copies.problem} />
      {!site.data && site.isLoading && <Loading what="the site from Azure" />}
      {site.data && <Headline site={site.data} />}
      <p>
        <a class="button" href={link("site", name, "setup")}>
          Set it up, step by step
        </a>
      </p>
      <div class="grid nodes">
        {(nodes.data?.value ?? []).map((node: Json) => (
          <Node site={name} node={node} key={node.node} reload={nodes.reload} />
        ))}
        {!nodes.data && nodes.isLoading && <Loading what="the nodes from Azure" />}
        {copies.data && <Replication copies={copies.data.value} />}
        {site.data && <Changes history={site.data.history ?? []} />}
      </div>
    </>
  );
}

function Headline({ site }: { site: Json }) {
  const { tone, label } = colourOf(site.health);
  const health = site.health;
  return (
    <div class="headline">
      <State word="" tone={tone} label={label} />
      {health.detail && <p>{health.detail}</p>}
      {health.unprotected?.length > 0 && <p>Not protected: {health.unprotected.map((one: Json) => (one.node ? `${one.vm} (${one.node})` : one.vm)).join(", ")}</p>}
      {health.withoutPlan?.length > 0 && <p>In no plan: {listed(health.withoutPlan, 12)}</p>}
      {(site.holds ?? []).map((hold: Json) => (
        <Notice tone="warn" title={`On hold by ${hold.by}`}>
          <p>{hold.reason}</p>
        </Notice>
      ))}
    </div>
  );
}

type Held = "holds" | "fails" | "unknown";

/** What is known of each rung: some of them Azure shows now, the others only a repair has looked at. */
function ladderOf(node: Json): [string, Held, string][] {
  const reached = RUNGS.indexOf(node.lastRepair?.rung ?? "");
  const now: Record<string, boolean> = { extension: node.extension?.state === "Succeeded", provider: Boolean(node.provider?.isReporting) };
  return RUNGS.map((rung, index) => {
    if (rung in now) return [rung, now[rung] ? "holds" : "fails", now[rung] ? "seen now" : "not so now"];
    if (index <= reached) return [rung, "holds", "proved by the last repair"];
    return [rung, "unknown", "not looked at"];
  });
}

const TONES = { holds: "good", fails: "bad", unknown: "idle" } as const;

function Node({ site, node, reload }: { site: string; node: Json; reload: () => void }) {
  const [isAsked, setIsAsked] = useState(false);
  const me = useMe();
  const ladder = ladderOf(node);
  const ails = ladder.some(([, held]) => held === "fails");
  return (
    <Section title={node.node} aside={<State word={node.quarantined ? "quarantined" : ails ? "fails" : "well"} label={node.quarantined ? "In quarantine" : ails ? "Not well" : "Well"} />}>
      {node.cause && (
        <Notice tone="warn" title={words(node.cause.code)}>
          <p>{node.cause.remedy}</p>
        </Notice>
      )}
      {node.lost && (
        <Notice tone="warn" title="Declared lost">
          <p>
            {node.lost.reason} (by {node.lost.by}, <Time at={node.lost.at} />)
          </p>
        </Notice>
      )}
      <ol class="ladder" aria-label={`Ladder of proof of ${node.node}`}>
        {ladder.map(([rung, held, how]) => (
          <li>
            <State word="" tone={TONES[held]} label={words(rung)} /> <span class="faint">{how}</span>
          </li>
        ))}
      </ol>
      <Facts
        rows={[
          ["Agent", `${node.agent.status} ${node.agent.version}`],
          ["Extension", node.extension ? `${node.extension.state} ${node.extension.version}` : "not there"],
          ["Last heartbeat", node.provider?.lastHeartbeat && <Time at={node.provider.lastHeartbeat} />],
          ["VMs", node.vms.length ? listed(node.vms, 6) : "none known"],
          ["Last repair", node.lastRepair && <LastRepair repair={node.lastRepair} />],
          ["Repairs in a row that failed", node.attempts || ""],
          ["Next repair not before", node.nextRepairNotBefore && <Time at={node.nextRepairNotBefore} />],
        ]}
      />
      {node.currentRepair && <a href={link("run", node.currentRepair)}>A repair is under way</a>}
      {may(me, "Dr.Operate") && !node.currentRepair && (
        <div class="buttons">
          <button onClick={() => setIsAsked(true)}>Heal {node.node}</button>
        </div>
      )}
      {isAsked && <Heal site={site} node={node.node} onClose={() => (setIsAsked(false), reload())} />}
    </Section>
  );
}

function LastRepair({ repair }: { repair: Json }) {
  return (
    <>
      <a href={link("run", repair.run)}>{repair.ending === "well" ? "went well" : words(repair.ending)}</a> <Time at={repair.at} />
      {repair.cause && `, ${words(repair.cause).toLowerCase()}`}
    </>
  );
}

function Heal({ site, node, onClose }: { site: string; node: string; onClose: () => void }) {
  const [seen, setSeen] = useState<Json | null>(null);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [key] = useState(() => crypto.randomUUID());
  const url = path("sites", site, "nodes", node, "repair");
  useEffect(() => void readPreview(url, {}).then(setSeen, setProblem), [url]);
  const begin = async () => {
    try {
      location.hash = link("run", (await post(url, {}, key)).id);
    } catch (error) {
      setProblem(error as ApiProblem);
    }
  };
  return (
    <Dialog title={`Heal ${node}?`} onClose={onClose}>
      <ProblemNotice problem={problem} />
      {!seen && !problem && <Loading what="what it would do" />}
      {seen && (
        <>
          <Obstacles title="In the way" tone="bad" rows={seen.blockers} />
          {seen.steps.length > 0 && (
            <ol>
              {seen.steps.map((step: Json) => (
                <li>{step.detail}</li>
              ))}
            </ol>
          )}
        </>
      )}
      <div class="buttons">
        <button class="primary" disabled={!seen || seen.blockers.length > 0} onClick={begin}>
          Begin the repair
        </button>
        <button onClick={onClose}>Go back</button>
      </div>
    </Dialog>
  );
}

function Replication({ copies }: { copies: Json[] }) {
  const rank: Record<string, number> = { critical: 0, warning: 1 };
  const rows = [...copies].sort((one, other) => (rank[one.level] ?? 2) - (rank[other.level] ?? 2));
  return (
    <Section title="Replication" wide>
      <LongTable
        label="Replication of the site's VMs"
        rows={rows}
        columns={[
          { title: "VM", width: "minmax(8rem, 1fr)", cell: (vm) => vm.vm },
          { title: "Health", width: "8rem", cell: (vm) => (vm.level === "unknown" ? <State word="" tone="idle" label="Not judged" /> : <State word={vm.level} label={vm.level === "ok" ? "Well" : words(vm.level)} />) },
          { title: "State", width: "minmax(14rem, 2fr)", cell: (vm) => `${words(vm.state)}${vm.percent < 100 ? `, ${vm.percent} %` : ""}` },
          { title: "Behind", width: "7rem", cell: (vm) => (vm.state !== "Protected" ? "" : typeof vm.behindSeconds === "number" ? span(vm.behindSeconds) : "not known") },
          { title: "Trouble", width: "minmax(9rem, 2fr)", cell: (vm) => <span title={vm.trouble}>{vm.trouble || (vm.disksNotReplicated.length ? `disks not replicated: ${listed(vm.disksNotReplicated.map((disk: Json) => disk.name ?? disk))}` : "")}</span> },
        ]}
      />
    </Section>
  );
}
