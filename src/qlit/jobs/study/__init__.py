"""The trainings of a study: workers, and the processes of each training."""
