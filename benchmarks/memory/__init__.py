"""Memory tasks: made sequences and digits that tell what a recurrence can keep, for how long, and what it computes with it."""
