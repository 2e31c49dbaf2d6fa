/**
 * Any on-disk format as JSON, with a check of its structure: its format, its content, and its problems.
 *
 *     bytes ─▶ detectFormat ─▶ one describer a format ─▶ { format, document, findings }
 */
export {
  describeFile,
  type FileDescription,
  type FormatFinding,
  type InspectOptions,
} from './describe.ts';
export { FILE_FORMATS, type FileFormat } from './detect.ts';
