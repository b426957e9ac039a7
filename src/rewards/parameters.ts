/** What a reward can be told; methods are told things the same way. */
export * from '../core/parameters.ts'
