// What the screens are made of.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiProblem, NOT_SIGNED_IN } from "./api";
import { localTime, type Tone, toneOf, utcTime, words } from "./format";

const SHAPES: Record<Tone, string> = {
  good: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm3.6 5.1-4.2 4.6a.8.8 0 0 1-1.15 0L4.4 8.9l1.1-1.1 1.3 1.3 3.7-4z",
  warn: "M8 1 15.5 14.5H.5zM7.2 6v4h1.6V6zm0 5.2v1.6h1.6v-1.6z",
  bad: "M1.5 1.5h13v13h-13zM5.4 4.3 4.3 5.4 6.9 8l-2.6 2.6 1.1 1.1L8 9.1l2.6 2.6 1.1-1.1L9.1 8l2.6-2.6-1.1-1.1L8 6.9z",
  busy: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm0 2v5l3.5 3.5A5 5 0 1 1 8 3z",
  idle: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm0 2a5 5 0 1 1 0 10A5 5 0 0 1 8 3z",
};

/** A state: its shape, its colour and its word say the same. */
export function State({ word, tone = toneOf(word), label = words(word) }: { word: string; tone?: Tone; label?: string }) {
  return (
    <span class={`state ${tone}`}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <path d={SHAPES[tone]} fill-rule="evenodd" />
      </svg>
      {label}
    </span>
  );
}

export function Time({ at }: { at: string | null | undefined }) {
  if (!at || Number.isNaN(Date.parse(at))) return <span class="faint">{at ?? ""}</span>;
  return (
    <time dateTime={at} title={utcTime(at)}>
      {localTime(at)}
    </time>
  );
}

export function Notice({ tone, title, children }: { tone: Tone; title: string; children?: ComponentChildren }) {
  return (
    <div class={`notice ${tone}`} role={tone === "bad" ? "alert" : "note"}>
      <p class="notice-title">
        <State word="" tone={tone} label={title} />
      </p>
      {children}
    </div>
  );
}

export function ProblemNotice({ problem }: { problem: ApiProblem | null }) {
  if (!problem) return null;
  const errors = problem.errors.filter((one) => one.detail && !problem.message.includes(one.detail));
  return (
    <Notice tone="bad" title={problem.title}>
      <p>{problem.message}</p>
      {problem.status === NOT_SIGNED_IN && (
        <p>
          <button onClick={() => location.reload()}>Sign in again</button>
        </p>
      )}
      {errors.length > 0 && (
        <ul>
          {errors.slice(0, 12).map((one) => (
            <li>{one.field ? `${one.field}: ${one.detail}` : one.detail}</li>
          ))}
          {errors.length > 12 && <li>and {errors.length - 12} more</li>}
        </ul>
      )}
    </Notice>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <p class="faint loading" role="status">
      Reading {what}…
    </p>
  );
}

/** A sentence of the API, with what it has between backticks as code, and the name of a verb at its beginning in words. */
export function Sentence({ text }: { text: string | null | undefined }) {
  const [, verb = "", rest = ""] = /^((?:[A-Z][a-z]+){2,})(: .*)$/s.exec(text ?? "") ?? [];
  const pieces = (verb ? words(verb) + rest : (text ?? "")).split("`");
  return <>{pieces.map((piece, index) => (index % 2 ? <code>{piece}</code> : piece))}</>;
}

/** A part of a screen with its heading. */
export function Section({ title, children, aside, wide }: { title: string; children: ComponentChildren; aside?: ComponentChildren; wide?: boolean }) {
  const id = useId();
  return (
    <section aria-labelledby={id} class={wide ? "card wide" : "card"}>
      <div class="card-head">
        <h2 id={id}>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows
        .filter(([, value]) => value !== "" && value !== null && value !== undefined)
        .map(([name, value]) => (
          <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ComponentChildren;
  width: string;
}

const ROW_PX = 40;
const SHOWN_PX = 480;
const BEYOND = 8;

/** A table of any length, of which only the rows in sight are in the document. */
export function LongTable<Row>({ label, rows, columns }: { label: string; rows: Row[]; columns: Column<Row>[] }) {
  const [top, setTop] = useState(0);
  const template = { gridTemplateColumns: columns.map((one) => one.width).join(" ") };
  const first = Math.max(0, Math.floor(top / ROW_PX) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((top + SHOWN_PX) / ROW_PX) + BEYOND);
  const isLong = rows.length * ROW_PX > SHOWN_PX;
  return (
    <div class="long" role="table" aria-label={label} aria-rowcount={rows.length + 1}>
      <div
        class="long-body"
        tabIndex={0}
        role="rowgroup"
        aria-label={label}
        style={{ maxHeight: isLong ? `${SHOWN_PX}px` : undefined }}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      >
        <div class="long-row long-head" role="row" aria-rowindex={1} style={template}>
          {columns.map((one) => (
            <div role="columnheader">{one.title}</div>
          ))}
        </div>
        <div role="presentation" style={{ height: `${first * ROW_PX}px` }} />
        {rows.slice(first, last).map((row, index) => (
          <div class="long-row" role="row" aria-rowindex={first + index + 2} style={template} key={first + index}>
            {columns.map((one) => (
              <div role="cell">{one.cell(row)}</div>
            ))}
          </div>
        ))}
        <div role="presentation" style={{ height: `${(rows.length - last) * ROW_PX}px` }} />
      </div>
    </div>
  );
}

export function Comment({ value, onInput, label = "Comment", hint = "Kept with the run, and in its report." }: { value: string; onInput: (text: string) => void; label?: string; hint?: string }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea id={id} rows={2} maxLength={500} value={value} aria-describedby={`${id}-hint`} onInput={(event) => onInput(event.currentTarget.value)} />
      <p class="hint" id={`${id}-hint`}>
        {hint}
      </p>
    </div>
  );
}

/** A dialog that keeps the focus, and gives it back; Escape closes it. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    return () => before?.isConnected ? before.focus() : undefined;
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onCancel={(event) => (event.preventDefault(), onClose())}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

/** Says what changed to those who do not see it. */
export function Live({ text }: { text: string }) {
  return (
    <p class="unseen" role="status" aria-live="polite">
      {text}
    </p>
  );
}

export function Bar({ done, total, label }: { done: number; total: number; label: string }) {
  return (
    <div class="progress">
      <progress value={done} max={Math.max(total, 1)} aria-label={label} />
      <span>
        {done} of {total}
      </span>
    </div>
  );
}
