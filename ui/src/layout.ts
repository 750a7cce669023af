// Where the VMs of a plan stand in its picture. A file of its own: only the screen of a plan loads it.
import dagre from "@dagrejs/dagre";

export interface Box {
  name: string;
  x: number;
  y: number;
}
export interface Arrow {
  points: { x: number; y: number }[];
}
export interface Picture {
  boxes: Box[];
  arrows: Arrow[];
  width: number;
  height: number;
}

export const BOX_WIDTH = 164;
export const BOX_HEIGHT = 44;

export function layOut(items: { vm: string; after: string[] }[]): Picture {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 52, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { vm } of items) graph.setNode(vm, { width: BOX_WIDTH, height: BOX_HEIGHT });
  const spelt = new Map(items.map(({ vm }) => [vm.toLowerCase(), vm]));
  for (const { vm, after } of items) {
    for (const before of after) {
      const known = spelt.get(before.toLowerCase());
      if (known) graph.setEdge(known, vm);
    }
  }
  dagre.layout(graph);
  const size = graph.graph() as { width: number; height: number };
  return {
    boxes: graph.nodes().map((name: string) => ({ name, x: graph.node(name).x, y: graph.node(name).y })),
    arrows: graph.edges().map((edge: any) => ({ points: graph.edge(edge).points })),
    width: size.width,
    height: size.height,
  };
}
