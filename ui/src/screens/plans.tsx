// Plans: all that are declared.
import { useState } from "preact/hooks";
import type { Json } from "../api";
import { LongTable, Loading, ProblemNotice } from "../parts";
import { usePoll } from "../polling";
import { link } from "../router";
import { DrillState, NextDrill, targetText } from "./now";

const EVERY = 30_000;

export function Plans() {
  const { data, problem, isLoading } = usePoll("/api/plans", EVERY);
  const [filter, setFilter] = useState("");
  const rows = (data?.value ?? []).filter((plan: Json) => plan.name.includes(filter.toLowerCase()));
  return (
    <>
      <h1>Plans</h1>
      <ProblemNotice problem={problem} />
      {!data && isLoading && <Loading what="plans" />}
      {data && (
        <>
          <div class="field short">
            <label for="filter">Find a plan</label>
            <input id="filter" type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
          </div>
          {rows.length === 0 ? (
            <p class="faint">{data.value.length === 0 ? "No plan is declared yet." : "No plan has this in its name."}</p>
          ) : (
            <LongTable
              label="Plans"
              rows={rows as Json[]}
              columns={[
                { title: "Plan", width: "minmax(8rem, 2fr)", cell: (plan) => <a href={link("plan", plan.name)}>{plan.name}</a> },
                { title: "VMs", width: "4rem", cell: (plan) => plan.items.length },
                { title: "Rehearsed", width: "minmax(9rem, 1fr)", cell: (plan) => <DrillState drill={plan.lastDrill} /> },
                { title: "Next drill", width: "minmax(11rem, 2fr)", cell: (plan) => <NextDrill next={plan.nextDrill} /> },
                { title: "Targets", width: "minmax(9rem, 1fr)", cell: (plan) => targetText(plan.targets) },
              ]}
            />
          )}
        </>
      )}
    </>
  );
}
