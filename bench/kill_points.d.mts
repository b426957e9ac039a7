export interface KillPoint {
  point: number
  kind: string
  code: number | null
  /** Last step in the metrics, and last one with a whole checkpoint, when the run had ended. */
  logged: number
  saved: number
  lost: number
  /** The step that the next start goes on from: `saved`, or the one before it when that is damaged. */
  resumes: number
  damaged?: string
}
export function killPoints(options: {
  dist: string
  points: number
  seed?: number
  log?: (row: KillPoint) => void
}): Promise<{ points: KillPoint[]; equal: boolean }>
