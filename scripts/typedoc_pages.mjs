// A typedoc plugin: the pages of docs/ in the site's navigation under their own headings, in reading order.
import { basename, dirname } from 'node:path'
import { Converter, ReflectionKind } from 'typedoc'

/** Pages of docs/ in the order of a reader's way through them; docs/algorithms has a group of its own. */
const groups = {
  'Getting started': ['README', 'install', 'first-run', 'coming-from'],
  Guides: [
    ...['data', 'rewards', 'choosing-an-algorithm', 'methods', 'experiments', 'memory', 'gpus', 'dashboard'],
    ...['kernels', 'troubleshooting'],
  ],
}

export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, page) => {
    const heading = page.content.find(({ kind }) => kind === 'text')?.text.match(/^# (.+)$/m)?.[1]
    if (heading) page.name = heading
    page.frontmatter.group = groupOf(page)
  })
  // Last, behind typedoc's own grouping.
  const sort = ({ project }) => {
    for (const group of project.groups ?? []) group.children.sort((a, b) => placeOf(a) - placeOf(b))
  }
  app.converter.on(Converter.EVENT_RESOLVE_END, sort, -1000)
}

const fileOf = (page) => page.sources?.[0]?.fileName ?? page.project.files.getReflectionPath(page) ?? ''

function groupOf(page) {
  const file = fileOf(page)
  if (basename(dirname(file)) === 'algorithms') return 'Algorithms'
  const name = basename(file, '.md')
  const found = Object.entries(groups).find(([, names]) => names.includes(name))
  if (!found)
    throw new Error(`${file}: expected a page that scripts/typedoc_pages.mjs gives a place, but received ${name}`)
  return found[0]
}

function placeOf(reflection) {
  if (!reflection.kindOf(ReflectionKind.Document)) return 0
  return Object.values(groups)
    .flat()
    .indexOf(basename(fileOf(reflection), '.md'))
}
