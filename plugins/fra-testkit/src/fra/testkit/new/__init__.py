"""`fra new`: a whole project of an exchange or a hook, as a third party publishes it."""

from fra.testkit.new.names import KINDS, Kind, Names
from fra.testkit.new.project import Project, write

__all__ = ["KINDS", "Kind", "Names", "Project", "write"]
