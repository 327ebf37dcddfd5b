"""The sample city: a made-up Shandong county town, written as the files a real city comes in."""

from data.sample.write import SampleFiles, write_sample

__all__ = ["SampleFiles", "write_sample"]
