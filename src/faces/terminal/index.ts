/**
 * What every program with a terminal needs: standard output and standard error as channels, and broken pipes.
 */
export { Channel, leave, stderr, stdout } from './channels.ts';
