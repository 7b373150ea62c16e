"""The signatures of known failures, by what they are about; `table` lists them all."""
