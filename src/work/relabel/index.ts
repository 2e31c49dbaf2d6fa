/**
 * SELinux labels for a sysroot on a disk, as the last step of an installation gives them: to everything that has none, but for
 * deployments, which have the labels of their commits.
 */
export { lookupNameOf } from './lookup-name.ts';
export { type RelabelOptions, type RelabelReport, relabelSysroot } from './relabel.ts';
