/**
 * What a run reports, one flat record of numbers per step under the names TRL users know:
 * `loss`, `grad_norm`, `learning_rate`, `reward`, `reward_std`, `frac_reward_zero_std`, `rewards/<name>/{mean,std}`,
 * `completions/{mean,min,max}_length`, `completions/clipped_ratio`, `entropy`, `kl`, `clip_ratio/*`, `num_tokens`,
 * `step_time`, `epoch`, `eval_*`, and `timing/<phase>` in seconds.
 */
export type MetricsRecord = { readonly step: number; readonly [name: string]: number }

/** Where records go. Sinks are called in step order, one call at a time. */
export interface MetricsSink {
  step(record: MetricsRecord): void
  /** Something for a person to read, such as `checkpoint saved`. Sinks without a reader leave it out. */
  note?(message: string): void
  /** The run went back to this step: records of later ones are void. Sinks that only show progress leave it out. */
  rewind?(step: number): void
  /** May wait until everything is sent. */
  close(): void | Promise<void>
}
