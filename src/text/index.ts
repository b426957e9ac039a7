/** Text: tokenizer, chat template, prompts. */

export { ChatTemplate } from './chat_template.ts'
export { type ChangeImage, forbiddenTokens, type PromptContext, renderPrompt } from './prompt.ts'
export { type TokenBytes, Tokenizer } from './tokenizer.ts'
export { truncatePrompt } from './truncate.ts'
