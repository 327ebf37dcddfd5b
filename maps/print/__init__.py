"""Station maps on paper and as pictures: vector PDF, and the same sheets as PNG."""
