/**
 * Difficulty by tree search (ThinkLite-VL, Wang et al. 2025, arXiv 2504.07934): how many rounds of Monte Carlo tree search a
 * policy needs to its first right answer.
 *
 *   select     child of the largest Q/N + c sqrt(ln N_parent / N), unvisited first
 *   expand     `branches` next steps      simulate to an answer or `depth` steps      back up 1 or 0
 *   stop       at the first right answer; never: unsolved after `rounds`
 *
 * Questions that take more than a few rounds, or are never solved, are worth training on.
 */
export interface TreeSearch {
  readonly branches: number
  readonly rounds: number
  readonly depth: number
  /** Weight of exploration. */
  readonly c: number
}

export const thinkLite: TreeSearch = { branches: 3, rounds: 50, depth: 10, c: 1 }

export interface Solver<S> {
  /** Up to `count` continuations of a partial solution by one step each. */
  expand(state: S, count: number): Promise<S[]>
  /** Null while the solution goes on; else whether its answer is right. */
  judge(state: S): Promise<boolean | null>
}

interface Node<S> {
  readonly state: S
  readonly parent: Node<S> | null
  children: Node<S>[] | null
  visits: number
  wins: number
}

/** UCB of a child that was visited `visits` times. */
export const upperBound = (wins: number, visits: number, parentVisits: number, c: number): number =>
  visits === 0 ? Number.POSITIVE_INFINITY : wins / visits + c * Math.sqrt(Math.log(parentVisits) / visits)

/** @returns rounds up to the first right answer, from 1; null when there was none. */
export async function searchDifficulty<S>(
  root: S,
  solver: Solver<S>,
  search: TreeSearch = thinkLite,
): Promise<number | null> {
  const top: Node<S> = { state: root, parent: null, children: null, visits: 0, wins: 0 }
  for (let round = 1; round <= search.rounds; round++) {
    const leaf = select(top, search.c)
    if ((await solver.judge(leaf.state)) === null) leaf.children = await expand(leaf, solver, search.branches)
    const from = leaf.children?.[0] ?? leaf
    const right = await simulate(from.state, solver, search.depth)
    for (let node: Node<S> | null = from; node; node = node.parent) {
      node.visits++
      node.wins += right ? 1 : 0
    }
    if (right) return round
  }
  return null
}

function select<S>(top: Node<S>, c: number): Node<S> {
  let node = top
  while (node.children && node.children.length > 0) {
    const { children, visits } = node
    node = children.reduce((best, child) =>
      upperBound(child.wins, child.visits, visits, c) > upperBound(best.wins, best.visits, visits, c) ? child : best,
    )
  }
  return node
}

async function expand<S>(parent: Node<S>, solver: Solver<S>, branches: number): Promise<Node<S>[]> {
  const states = await solver.expand(parent.state, branches)
  return states.map((state) => ({ state, parent, children: null, visits: 0, wins: 0 }))
}

async function simulate<S>(from: S, solver: Solver<S>, depth: number): Promise<boolean> {
  let state = from
  for (let step = 0; step < depth; step++) {
    const verdict = await solver.judge(state)
    if (verdict !== null) return verdict
    const [next] = await solver.expand(state, 1)
    if (next === undefined) return false
    state = next
  }
  return (await solver.judge(state)) === true
}

/** Whether a question is kept: unsolved, or solved in more than `easy` rounds. */
export const isWorthTraining = (rounds: number | null, easy: number): boolean => rounds === null || rounds > easy
