import { isOnecopyError } from '#base/errors';
import type { StoragePlaces } from '#formats/containers-config';
import type { WorkerContext } from '#host';
import { OwnerSets } from './extents/owner-sets.ts';
import { Walker } from './extents/walker.ts';
import { Owners } from './owners.ts';
import { type Account, reportAccount, type SurveyedStore } from './report.ts';
import { surveyComposefs } from './surveys/composefs.ts';
import { surveyContainers } from './surveys/containers.ts';
import { surveyOstree } from './surveys/ostree.ts';
import type { Surveying } from './surveys/survey.ts';

/** What every place of a store has. */
interface PlaceBase {
  /** As in a reference, for example `ostree-local:/ostree/repo`. */
  readonly label: string;
  /** True if the user named it: then it must be readable. */
  readonly isGiven: boolean;
}

/** A store to account for. */
export type StorePlace =
  | (PlaceBase & { readonly kind: 'composefs' | 'ostree'; readonly path: string })
  | (PlaceBase & { readonly kind: 'containers-storage'; readonly places: StoragePlaces });

/** What the thread gets. */
export interface SurveyRequest {
  readonly stores: readonly StorePlace[];
}

/** Surveys all stores and counts their bytes. @throws as the surveys of the stores; UnsupportedError ACCOUNT_TOO_LARGE */
export async function survey(
  { stores }: SurveyRequest,
  context: Pick<WorkerContext<never, number>, 'isCancelled' | 'post'>,
): Promise<Account> {
  const sets = new OwnerSets();
  const owners = new Owners();
  let told = 0;
  const walker = new Walker(sets, (files) => {
    // The caller reports the reason of its signal instead.
    if (context.isCancelled()) throw new Error('the walk was cancelled');
    if (files > told) context.post(files - told);
    told = files;
  });
  const surveyed: SurveyedStore[] = [];
  for (const [store, place] of stores.entries()) {
    const problems: string[] = [];
    const before = walker.files;
    const surveying = { store, owners, sets, walker, warn: (text: string) => problems.push(text) };
    walker.unseen.clear();
    try {
      await surveyOne(place, surveying);
    } catch (error) {
      if (place.isGiven || !isOnecopyError(error)) throw error;
      problems.push(`${place.label} cannot be read: ${error.message}`);
    }
    const unseen = [...walker.unseen.values()];
    surveyed.push({ place, files: walker.files - before, unseen, problems });
  }
  return reportAccount({ stores: surveyed, owners: owners.list, sets, walker });
}

async function surveyOne(place: StorePlace, surveying: Surveying): Promise<void> {
  if (place.kind === 'containers-storage') await surveyContainers(place.places, surveying);
  else if (place.kind === 'ostree') await surveyOstree(place.path, surveying);
  else await surveyComposefs(place.path, surveying);
}
