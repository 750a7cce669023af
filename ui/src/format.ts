// How moments, durations and the API's words are written for people.

export type Tone = "good" | "warn" | "bad" | "busy" | "idle";

const TONES: Record<Tone, string[]> = {
  good: ["succeeded", "done", "well", "ready", "verified", "pass", "kept", "keep", "created", "healed", "up", "ok", "holds", "on time"],
  warn: ["waiting", "impaired", "concerns", "needs-verification", "never-verified", "warn", "warning", "aborted", "unknown", "unprepared", "failed-over", "paused", "differs", "skipped", "lost"],
  bad: ["failed", "blocked", "fail", "critical", "refused", "late", "fails", "down", "quarantined"],
  busy: ["running", "pending", "starting", "probing", "settling", "resuming", "create", "changed"],
  idle: [],
};
const BY_WORD = new Map(Object.entries(TONES).flatMap(([tone, words]) => words.map((word) => [word, tone as Tone] as const)));

export const toneOf = (word: string): Tone => BY_WORD.get(word) ?? "idle";

/** "planned-failover" and "PlannedFailover" as "Planned failover". */
export function words(text: string): string {
  if (/^re-?protect$/i.test(text)) return "Re-protect";
  const spaced = text.replace(/([a-z])([A-Z])/g, "$1 $2").replace(/[-_]/g, " ").toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** Minutes and seconds, hours and minutes, or days and hours: the two largest parts. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

const ISO = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/;

export function secondsOf(duration: string): number {
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = ISO.exec(duration) ?? [];
  return Number(days) * 86400 + Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

/** An ISO 8601 duration for people; what is none stays as it is. */
export const duration = (text: string | null | undefined): string => (!text ? "" : ISO.test(text) ? span(secondsOf(text)) : text);

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const localTime = (text: string): string => (Number.isNaN(Date.parse(text)) ? text : LOCAL.format(new Date(text)));
export const utcTime = (text: string): string => `${new Date(text).toISOString().slice(0, 16).replace("T", " ")} UTC`;

export const count = (number: number, noun: string): string => `${number} ${number === 1 ? noun : noun === "person" ? "people" : `${noun}s`}`;

export function listed(names: string[], shown = 4): string {
  const more = names.length - shown;
  return more > 0 ? `${names.slice(0, shown).join(", ")} and ${more} more` : names.join(", ");
}

/** The value of an option, for people. */
export function spelled(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? JSON.stringify(value) : duration(String(value));
}
