// How long it is until a moment, by the app's own clock.
import { appNow } from "./api";
import { span } from "./format";

export function appNowText(until: string): string {
  const left = (Date.parse(until) - appNow()) / 1000;
  return left >= 0 ? `in ${span(left)}` : `${span(-left)} ago`;
}
