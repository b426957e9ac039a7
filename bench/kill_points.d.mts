export interface KillPoint {
  point: number
  kind: string
  /** Saved in the background. */
  async: boolean
  code: number | null
  /** Last step in the metrics, and the step that the next start goes on from. */
  logged: number
  resumes: number
  lost: number
  damaged?: string
}
export function killPoints(options: {
  dist: string
  points: number
  seed?: number
  log?: (row: KillPoint) => void
}): Promise<{ points: KillPoint[]; equal: boolean }>
