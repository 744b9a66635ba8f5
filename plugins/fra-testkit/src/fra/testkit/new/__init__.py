"""`fra new`: a whole project of an exchange or a hook, as a third party publishes it."""
