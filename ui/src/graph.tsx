// The picture of a plan: who comes after whom. A long plan is written as its layers instead.
import { useEffect, useState } from "preact/hooks";
import type { Json } from "./api";
import { listed, words } from "./format";
import type * as Layout from "./layout";

type Loaded = typeof Layout;
const DRAWN = 150;
const LAYERS_SHOWN = 40;
const NAMED = 60;
const CORNER = 5;

const shortened = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** The VMs that can start together, one layer after the other. */
export function layersOf(items: { vm: string; after: string[] }[]): string[][] {
  const by = new Map(items.map((item) => [item.vm.toLowerCase(), item]));
  const depths = new Map<string, number>();
  for (let pass = 0, changed = true; changed && pass <= items.length; pass += 1) {
    changed = false;
    for (const [key, item] of by) {
      const depth = item.after.reduce((deepest, name) => Math.max(deepest, (depths.get(name.toLowerCase()) ?? 0) + 1), 0);
      if (depths.get(key) !== depth) {
        depths.set(key, depth);
        changed = true;
      }
    }
  }
  const layers: string[][] = [];
  for (const [key, item] of by) (layers[depths.get(key) ?? 0] ??= []).push(item.vm);
  return layers;
}

export function Order({ layers }: { layers: string[][] }) {
  return (
    <ol class="layers">
      {layers.slice(0, LAYERS_SHOWN).map((vms) => (
        <li>{listed(vms, NAMED)}</li>
      ))}
      {layers.length > LAYERS_SHOWN && <li class="faint">and {layers.length - LAYERS_SHOWN} more layers</li>}
    </ol>
  );
}

export function PlanPicture({ items, states }: { items: { vm: string; after: string[] }[]; states: Map<string, Json> }) {
  const [layout, setLayout] = useState<Loaded | null>(null);
  const isDrawn = items.length <= DRAWN;
  useEffect(() => {
    if (isDrawn) void import(/* @vite-ignore */ "./graph.js" as string).then((loaded) => setLayout(loaded as Loaded));
  }, [isDrawn]);
  const layers = layersOf(items);
  if (!isDrawn) return <Order layers={layers} />;
  return (
    <>
      {layout && <Picture layout={layout} items={items} states={states} />}
      <details>
        <summary>The same as a list</summary>
        <Order layers={layers} />
      </details>
    </>
  );
}

function Picture({ layout, items, states }: { layout: Loaded; items: { vm: string; after: string[] }[]; states: Map<string, Json> }) {
  const { boxes, arrows, width, height } = layout.layOut(items);
  const half = { x: layout.BOX_WIDTH / 2, y: layout.BOX_HEIGHT / 2 };
  return (
    <div class="picture" tabIndex={0} role="region" aria-label="Picture of the order; the list below says the same">
      <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
        <defs>
          <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
            <path d="M0 0 8 4 0 8z" />
          </marker>
        </defs>
        {arrows.map(({ points }) => (
          <polyline class="arrow" points={points.map(({ x, y }) => `${x},${y}`).join(" ")} marker-end="url(#tip)" />
        ))}
        {boxes.map(({ name, x, y }) => (
          <g transform={`translate(${x - half.x} ${y - half.y})`}>
            <title>{name}</title>
            <rect class="box" width={layout.BOX_WIDTH} height={layout.BOX_HEIGHT} rx={CORNER} />
            <text x="10" y="18">
              {shortened(name, 19)}
            </text>
            <text class="sub" x="10" y="34">
              {shortened(words(states.get(name.toLowerCase())?.state ?? ""), 26)}
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}
