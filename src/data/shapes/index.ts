/** The quickstart's dataset: coloured shapes on a grid, with questions that need counting and calculating. */
export { contactSheet } from './contact_sheet.ts'
export { greyImage } from './draw.ts'
export { generateShapes, type ShapesOptions, type ShapesSummary } from './generate.ts'
export { type Kind, kinds } from './questions.ts'
export { defaultStyle, type ShapesStyle, shapesSentences, warmStartStyle } from './rows.ts'
