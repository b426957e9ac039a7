/** Who may import whom. See ARCHITECTURE.md; a rule changes there first. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const root = path.join(import.meta.dirname, '..')

const MAX_LINES = 600

/** A folder of src may import folders of lower rank, and its equals unless it is pure. */
const RANK: Record<string, number> = {
  core: 0,
  native: 1,
  models: 1,
  rewards: 1,
  algorithms: 1,
  alarms: 1,
  methods: 1,
  metrics: 1,
  config: 1,
  data: 2,
  rollout: 2,
  checkpoint: 2,
  text: 2,
  vision: 2,
  report: 2,
  dashboard: 3,
  trainer: 3,
  plan: 4,
  evaluation: 4,
  quickstart: 4,
  experiments: 5,
  cli: 6,
}
/** The files directly in src: what the package exports. */
const ENTRY_RANK = 6
const PURE = ['core', 'models', 'rewards', 'algorithms', 'alarms', 'methods']
/** Types of the native boundary, which the pure folders may name. */
const BOUNDARY = 'native/types.ts'
const IMPURE = /\b(Date\.now|new Date|performance\.now|process\.|Math\.random|setTimeout|setInterval|fetch)\b/

const CORE_AREAS = ['base', 'simd', 'device', 'tensor', 'ops', 'kernels', 'optim', 'comm', 'io', 'model', 'engine']
/** Only kernels, the declarations of their launches and the device see the CUDA vocabulary. */
const KERNEL_FILE = /^device\/|\.cuh?$|\/launch\.h$/
const CUDA_VOCABULARY = /^simt\/(?!handles\.h)|^ops\/kernel\.cuh$/
/** What each folder of native may include besides itself. */
const MAY_INCLUDE: Record<string, string[]> = {
  base: [],
  simd: ['base'],
  simt: ['base'],
  device: ['base'],
  tensor: ['base', 'simd', 'device'],
  ops: ['base', 'simd', 'device', 'tensor'],
  kernels: ['base', 'device', 'tensor', 'ops'],
  capi: ['base', 'simd', 'device', 'tensor', 'ops', 'kernels'],
  comm: ['base', 'device', 'tensor'],
  io: ['base', 'simd', 'tensor'],
  model: ['base', 'simd', 'device', 'tensor', 'ops', 'io'],
  optim: ['base', 'simd', 'device', 'tensor', 'ops', 'model'],
  engine: CORE_AREAS,
  addon: CORE_AREAS,
}

interface Import {
  from: string
  /** As written. */
  specifier: string
  /** Path below src, or null for a package or a Node module. */
  target: string | null
  typeOnly: boolean
}

function files(folder: string, pattern: RegExp): string[] {
  if (!existsSync(path.join(root, folder))) return []
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name) && !/(^|\/)(fixtures|node_modules)\//.test(name))
    .sort()
}

const read = (...parts: string[]) => readFileSync(path.join(root, ...parts), 'utf8')
const areaOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '')
const rankOf = (file: string) => (areaOf(file) === '' ? ENTRY_RANK : RANK[areaOf(file)])

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly
  const clause = node.importClause
  if (clause === undefined) return false
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const named = clause.namedBindings
  return (
    clause.name === undefined &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.every((e) => e.isTypeOnly)
  )
}

function importsOf(file: string): Import[] {
  const source = ts.createSourceFile(file, read('src', file), ts.ScriptTarget.Latest)
  const found: Import[] = []
  const add = (specifier: string, typeOnly: boolean) => {
    const target = specifier.startsWith('.') ? path.posix.join(path.posix.dirname(file), specifier) : null
    found.push({ from: file, specifier, target, typeOnly })
  }
  const visit = (node: ts.Node) => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier)
      add((node.moduleSpecifier as ts.StringLiteral).text, isTypeOnly(node))
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add((node.arguments[0] as ts.StringLiteral).text, false)
    else if (ts.isImportTypeNode(node))
      add(((node.argument as ts.LiteralTypeNode).literal as ts.StringLiteral).text, true)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

const sources = files('src', /\.ts$/)
const imports = sources.flatMap(importsOf)
const inside = imports.filter((entry): entry is Import & { target: string } => entry.target !== null)
const text = (entry: Import) => `${entry.from} imports ${entry.specifier}`

/** Folders of one rank that import each other, directly or in a ring; type imports count too. */
function folderCycles(): string[] {
  const edges = new Map<string, Set<string>>()
  for (const { from, target } of inside) {
    const [a, b] = [areaOf(from), areaOf(target)]
    if (a !== b && rankOf(from) === rankOf(target)) edges.set(a, (edges.get(a) ?? new Set()).add(b))
  }
  const cycles: string[] = []
  const walk = (trail: string[]) => {
    for (const next of edges.get(trail.at(-1) as string) ?? [])
      if (next === trail[0]) cycles.push([...trail, next].join(' -> '))
      else if (!trail.includes(next)) walk([...trail, next])
  }
  for (const area of edges.keys()) walk([area])
  return cycles
}

describe('src', () => {
  it('has only folders that have a place in the layers', () => {
    expect(sources.length).toBeGreaterThan(0)
    expect(sources.filter((file) => rankOf(file) === undefined)).toEqual([])
  })

  it('imports downwards', () => {
    const up = inside.filter(({ from, target }) => (rankOf(target) as number) > (rankOf(from) as number))
    expect(up.map(text)).toEqual([])
  })

  it('has no ring of folders', () => {
    expect(folderCycles()).toEqual([])
  })

  it.each(PURE)('%s is pure: core only, no packages, no Node, no clock, no randomness', (area) => {
    expect(sources.some((file) => areaOf(file) === area)).toBe(true)
    const mine = imports.filter(({ from }) => areaOf(from) === area)
    const wrong = mine.filter(({ target, typeOnly }) => {
      if (target === null) return true
      if (target === BOUNDARY) return !typeOnly
      return areaOf(target) !== area && areaOf(target) !== 'core'
    })
    expect(wrong.map(text)).toEqual([])
    const impure = sources.filter((file) => areaOf(file) === area && IMPURE.test(read('src', file)))
    expect(impure).toEqual([])
  })

  it('names the native binary in src/native/binding.ts only', () => {
    const naming = sources.filter((file) => /node-gyp-build['"]|\.node['"`]/.test(read('src', file)))
    expect(naming).toEqual(['native/binding.ts'])
  })
})

describe('native', () => {
  const includes = files('native', /\.(h|inl|cpp|cuh?)$/).flatMap((file) =>
    [...read('native', file).matchAll(/^\s*#\s*include\s*(["<])([^">]+)[">]/gm)].map(([, kind, target = '']) => {
      const beside = existsSync(path.join(root, 'native', path.posix.dirname(file), target))
      return { file, quoted: kind === '"', target: beside ? path.posix.join(path.posix.dirname(file), target) : target }
    }),
  )

  it('includes downwards', () => {
    expect(includes.length).toBeGreaterThan(0)
    const wrong = includes.filter(({ file, target, quoted }) => {
      const [from, to] = [areaOf(file), areaOf(target)]
      if (!quoted || from === to) return false
      if (target === 'simt/handles.h') return false
      if (CUDA_VOCABULARY.test(target)) return !KERNEL_FILE.test(file)
      return !MAY_INCLUDE[from]?.includes(to)
    })
    expect(wrong.map(({ file, target }) => `${file} includes ${target}`)).toEqual([])
  })

  it('sees Node in native/addon only', () => {
    const wrong = includes.filter(({ file, target }) => areaOf(file) !== 'addon' && /^(napi|node|uv|v8)/.test(target))
    expect(wrong.map(({ file, target }) => `${file} includes ${target}`)).toEqual([])
  })
})

it(`no file is longer than ${MAX_LINES} lines`, () => {
  const long = ['src', 'native', 'test', 'scripts', 'bench', 'examples'].flatMap((folder) =>
    files(folder, /\.(ts|mjs|cjs|h|inl|cpp|cuh?)$/)
      .map((file) => ({ file: `${folder}/${file}`, lines: read(folder, file).split('\n').length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES),
  )
  expect(long).toEqual([])
})
