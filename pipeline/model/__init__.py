"""The nouns: frozen, compared by value, standard library only."""
