/** Images: decoding, resizing, patches. */

export {
  type DecodedImage,
  decodeBytes,
  decodeImage,
  defaultImageLimits,
  type ImageLimits,
  imageSize,
  readImageBytes,
} from './decode.ts'
export { ImageProcessor } from './processor.ts'
export { type ProcessorSettings, readProcessorSettings } from './processor_config.ts'
export { smartResize } from './smart_resize.ts'
