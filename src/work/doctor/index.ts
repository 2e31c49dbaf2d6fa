/**
 * Doctor: what this host can do for a store in a directory, and what to do about the rest.
 */
export { type Examination, type Examined, examineHost } from './examine.ts';
