import type { OpenRepositories, ServedInterface } from '#faces/varlink';
import { ociInterface } from './oci.ts';
import { repositoryInterface } from './repository.ts';

/** The interfaces of composefs-rs for the repositories of a service. */
export function upstreamInterfaces(repositories: OpenRepositories): readonly ServedInterface[] {
  return [repositoryInterface(repositories), ociInterface(repositories)];
}
