// `npm run quickstart -- [options]`: from a fresh clone to a trained model. Installs and builds what is missing, then
// runs the quickstart command with the given options.
import { run, setup } from './setup.mjs'

process.exitCode = setup({ tests: false })
  ? run(process.execPath, ['dist/cli/main.js', 'quickstart', ...process.argv.slice(2)])
  : 1
