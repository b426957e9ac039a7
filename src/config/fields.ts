/** Field builders shared by the schema fragments: each says its range in the error a user reads. */
import { z } from 'zod'

export const count = (min = 0) => z.int().min(min)
export const positive = () => z.number().positive()
export const fraction = () => z.number().min(0).max(1)
export const text = () => z.string().min(1)
/** A section whose own defaults apply when the whole section is missing. */
export const section = <T extends z.core.$ZodLooseShape>(shape: T, about: string) =>
  z.strictObject(shape).describe(about)
