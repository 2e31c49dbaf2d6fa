/** Doctor: reports the capabilities of this host for a store in a directory, and how to get missing ones. */
export { type Examination, type Examined, examineHost } from './examine.ts';
