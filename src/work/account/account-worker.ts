import { serveWorker } from '#host';
import type { Account } from './report.ts';
import { type SurveyRequest, survey } from './survey-stores.ts';

/** The thread that accounts for stores: every call of the walk blocks. */
serveWorker<SurveyRequest, never, number, Account>(survey);
