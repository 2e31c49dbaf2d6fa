/** Terminal code of every program: standard output and standard error as channels, and broken pipes. */
export { Channel, leave, reportOutputErrors, stderr, stdout } from './channels.ts';
