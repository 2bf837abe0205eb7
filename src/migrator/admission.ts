// The webhook for PodMigrations (POST /admit/podmigrations): what cannot be carried out is refused before it is stored.
import express from 'express'
import type { ControllerDeps } from '../controller-deps.ts'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import { reviewCreate, reviewUpdate, type Verdict } from './review.ts'

interface AdmissionRequest {
  uid: string
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  object?: unknown
  oldObject?: unknown
}

export function migrationAdmission(deps: ControllerDeps): express.Router {
  const router = express.Router()
  router.post('/admit/podmigrations', express.json({ limit: '4mb' }), (request, response) => {
    const asked: AdmissionRequest | undefined = request.body?.request
    if (!asked?.uid) {
      response.status(400).json({ code: 'NotAnAdmissionReview', message: 'Reading the admission review: request.uid is missing' })
      return
    }
    response.json(answer(asked.uid, judge(deps, asked)))
  })
  return router
}

function judge(deps: ControllerDeps, request: AdmissionRequest): Verdict {
  try {
    return review(deps, request)
  } catch (error) {
    log.error({ err: error, operation: request.operation }, 'judging a PodMigration failed')
    // A defect of ours must not keep anybody from cancelling; a new move can wait.
    if (request.operation !== 'CREATE') return { allowed: true }
    return {
      allowed: false,
      message: `Judging the PodMigration failed (${messageOf(error)}): this is a defect of podmotion, please report it`,
    }
  }
}

function review({ caches }: ControllerDeps, { operation, object, oldObject }: AdmissionRequest): Verdict {
  if (operation === 'CREATE') {
    const findPod = caches.pods.synced ? (namespace: string, name: string) => caches.pods.get(namespace, name) : undefined
    return reviewCreate(object, { findPod, migrations: caches.migrations.list() })
  }
  return operation === 'UPDATE' ? reviewUpdate(object, oldObject) : { allowed: true }
}

function answer(uid: string, verdict: Verdict) {
  const refused = verdict.allowed ? {} : { status: { code: 422, reason: 'Invalid', message: verdict.message } }
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, allowed: verdict.allowed, ...refused } }
}
