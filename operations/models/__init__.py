"""Changes sent to the carrier, one by one and in batch jobs."""

from operations.models.job import BatchAccount, BatchChunk, BatchInput, BatchJob, BatchLine
from operations.models.operation import Operation, OperationAttempt

__all__ = ["BatchAccount", "BatchChunk", "BatchInput", "BatchJob", "BatchLine", "Operation", "OperationAttempt"]
