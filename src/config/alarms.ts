/** `alarms`: what a run does when its metrics say that something goes wrong. Built from the alarms themselves. */
import { z } from 'zod'
import { type Alarm, type AlarmSettings, alarmActions, alarms } from '../alarms/index.ts'
import { section } from './fields.ts'

function alarmSection({ about, thresholds }: Alarm) {
  const names = Object.entries(thresholds)
  const fields = names.map(([name, { about, default: value }]) => [name, z.number().default(value).describe(about)])
  return section(
    {
      action: z.enum(alarmActions).default('warn').describe('checkpoint, rollback and stop also warn.'),
      thresholds: section(Object.fromEntries(fields), 'When it is raised.').prefault({}),
    },
    about,
  ).prefault({})
}

export const alarmsSection = section(
  Object.fromEntries(alarms.map((alarm) => [alarm.name, alarmSection(alarm)])),
  'Signs of a run that goes wrong, and what to do when one shows: off, warn, checkpoint, rollback (to the last checkpoint) or stop.',
).prefault({}) as unknown as z.ZodPrefault<z.ZodType<AlarmSettings, Record<string, unknown>>>
