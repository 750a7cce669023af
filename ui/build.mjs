// Builds src/ into ../triggers/ui_files: the same sources make the same bytes.
import { build } from "esbuild";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] ?? join(here, "../triggers/ui_files");
const BUNDLED = ["preact", "@dagrejs/dagre", "@dagrejs/graphlib"];

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });

const options = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  minify: true,
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  outdir: target,
  logLevel: "warning",
};
await build({ ...options, entryPoints: { app: "src/main.tsx" }, external: ["./graph.js"] });
await build({ ...options, entryPoints: { graph: "src/layout.ts" } });
await build({ ...options, entryPoints: { app: "src/app.css" } });
for (const name of readdirSync(join(here, "public"))) copyFileSync(join(here, "public", name), join(target, name));

const notice = (name) => {
  const folder = join(here, "node_modules", name);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  return `${name} ${version}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
};
writeFileSync(join(target, "licences.txt"), BUNDLED.map(notice).join(`\n${"-".repeat(80)}\n\n`));
