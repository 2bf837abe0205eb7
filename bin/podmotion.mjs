#!/usr/bin/env node
// Starts `podmotion` from a checkout: the bundle needs no such file.
import { register } from 'tsx/esm/api'

register()
await import('../src/cli/main.ts')
