// What a verb would do, for those who start it and for those who approve it.
import type { Json } from "./api";
import { count, duration, listed, secondsOf, spelled, words } from "./format";
import { Order } from "./graph";
import { Facts, Notice, Section, Sentence, Time } from "./parts";
import { Obstacles } from "./runs";

export function PreviewView({ preview }: { preview: Json }) {
  return (
    <>
      {preview.irreversible.length > 0 && (
        <Notice tone="bad" title="Cannot be undone">
          <ul>
            {preview.irreversible.map((line: string) => (
              <li><Sentence text={line} /></li>
            ))}
          </ul>
        </Notice>
      )}
      <Obstacles title="In the way" tone="bad" rows={preview.blockers} />
      <Obstacles title="Not ready" tone="warn" rows={preview.concerns} />
      <div class="grid">
        <Section title="What is lost">
          <Loss preview={preview} />
        </Section>
        <Section title="How">
          <Facts rows={factsOf(preview)} />
        </Section>
        <Section title="Order" wide>
          {preview.order.length > 0 ? <Order layers={preview.order} /> : <p class="faint">No VM.</p>}
          {preview.leftOut.length > 0 && <Obstacles title="Left out" tone="idle" rows={preview.leftOut} />}
        </Section>
      </div>
      <Obstacles title="Worth knowing" tone="idle" rows={preview.warnings} />
    </>
  );
}

function factsOf(preview: Json): [string, any][] {
  const { options = {} } = preview;
  const chosen = Object.entries(options).filter(([name]) => name !== "vms");
  return [
    ["Expected to take", preview.expectedDuration && `${duration(preview.expectedDuration)} (${preview.expectedDurationSource === "past-runs" ? "by past runs" : "by recorded medians"})`],
    ["Stages", preview.stages.map(words).join(", ")],
    ...chosen.map(([name, value]): [string, string] => [words(name), spelled(value)]),
    ["Approvals", preview.requiredApprovals?.map((one: Json) => `${one.count} for the ${one.source}`).join(", ")],
    ["Settings changed first", preview.settingsToChange?.length ? count(preview.settingsToChange.length, "VM") : ""],
  ];
}

function Loss({ preview }: { preview: Json }) {
  const losses: Json[] = preview.items.filter((item: Json) => item.dataLoss);
  const worst = losses.reduce((most: Json, item: Json) => (!most || secondsOf(item.dataLoss) > secondsOf(most.dataLoss) ? item : most), null);
  const deleted: Json[] = preview.recoveryPointsDeleted ?? [];
  const points = deleted.reduce((sum, one) => sum + one.count, 0);
  if (!worst && deleted.length === 0) return <p>Nothing: no data, and no recovery point.</p>;
  return (
    <>
      {worst && (
        <p>
          Up to <strong>{duration(worst.dataLoss)}</strong> of newest data, of {worst.vm}
          {losses.length > 1 && `; of ${losses.length} VMs in all`}.
        </p>
      )}
      {deleted.length > 0 && (
        <>
          <p>
            <strong>{count(points, "recovery point")}</strong> of {listed(deleted.map((one) => one.vm))}.
          </p>
          <ul class="plain">
            {deleted.slice(0, 20).map((one) => (
              <li>
                {one.vm}: {one.count}
                {one.oldest && (
                  <>
                    , from <Time at={one.oldest} /> to <Time at={one.newest} />
                  </>
                )}
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
