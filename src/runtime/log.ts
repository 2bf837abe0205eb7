// The log: JSON lines on standard output; messages are static, data goes in fields, errors in `err`.
import { pino } from 'pino'

export const log: pino.Logger = pino({
  level: process.env.LOG_LEVEL ?? 'info',
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (label) => ({ level: label }) },
  serializers: { err: pino.stdSerializers.errWithCause, error: pino.stdSerializers.errWithCause },
})
