import shiptasks

ns = shiptasks.namespace()
